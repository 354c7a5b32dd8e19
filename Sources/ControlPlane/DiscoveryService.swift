import EnvoyAPI
import GRPCTransport
import Logging
import MeshConfiguration
import Synchronization
import XDS

/// The xDS server: serves the current snapshot to everyone who asks.
final class DiscoveryService: Sendable {
    /// What a new stream starts with.
    private final class Current: Sendable {
        private struct State {
            var snapshot: Snapshot?
            /// Those who wait for another one.
            var waiting: [CheckedContinuation<Void, Never>] = []
        }

        private let state = Mutex(State())

        var snapshot: Snapshot? { state.withLock { $0.snapshot } }

        /// Streams that start from now on start with this one; those who wait are woken by `wakeAll`.
        func replace(with snapshot: Snapshot?) { state.withLock { $0.snapshot = snapshot } }

        func wakeAll() {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }

        /// Waits until there is another one than this; there may be already.
        func change(from snapshot: Snapshot) async {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.snapshot === snapshot else { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        }
    }

    /// What clients say that they sent where.
    let observer = LoadObserver()
    /// Whose views there have to be.
    let demand: Demand
    /// Who has to know of pods before clients do.
    let gateways: GatewayProgress
    private let metrics: ControlPlaneMetrics
    private let current: Current
    private let server: Server<ServedStream>

    init(
        _ settings: Configuration.XDSServer, controlPlane: String, demand: Demand, gateways: GatewayProgress,
        metrics: ControlPlaneMetrics, logger: Logger
    ) {
        self.demand = demand
        self.gateways = gateways
        self.metrics = metrics
        let limits = settings.limits
        var configuration = ServerConfiguration()
        configuration.limits.messageBytes = limits.messageBytes
        configuration.limits.streamsPerConnection = limits.streamsPerConnection
        configuration.limits.streams = limits.streams
        configuration.limits.connections = limits.connections
        configuration.limits.streamsPerSecond = limits.streamsPerSecond
        configuration.limits.messagesPerSecond = limits.requestsPerSecond
        CoreLog.forward(to: logger)
        let current = Current()
        self.current = current
        let observer = observer
        let interval = settings.loadReportInterval
        server = Server(configuration: configuration, logger: logger) { head in
            let session = ClientSession(
                head, snapshot: current.snapshot, demand: demand, logger: logger)
            if let method = Method.at(head.method) {
                return ServedStream(
                    DiscoveryHandler(
                        session, method, limits: limits, metrics: metrics, gateways: gateways,
                        controlPlane: controlPlane))
            }
            guard head.method == LoadReport.method else { return nil }
            return ServedStream(LoadReportHandler(session, observer: observer, interval: interval))
        }
    }

    /// The snapshot in force; nil before the first.
    var snapshot: Snapshot? { current.snapshot }

    /// Listens, and serves until `shutdown`.
    ///
    /// - Returns: the port.
    func start(_ settings: Configuration.XDSServer) async throws -> UInt16 {
        let security = try settings.tls.map(ServerSecurity.init(readingFrom:)) ?? .plaintext
        return try await server.start(address: "\(settings.listen)", security: security)
    }

    /// Reads the certificates again, for connections to come.
    func renewCertificates(_ files: Configuration.TLSFiles) throws(ConfigurationError) {
        server.replaceCertificates(try ServerSecurity(readingFrom: files))
    }

    /// Puts a snapshot in force.
    ///
    /// Publications come one after the other.
    func publish(_ publication: Publication) async {
        current.replace(with: publication.snapshot)
        let progress = PublicationProgress(metrics, at: .now)
        await server.forEach { $0.publish(publication, progress) }
        progress.told()
        current.wakeAll()
    }

    /// What a viewer sees of services; has the view built where nobody has asked for it before.
    ///
    /// Nil before the first snapshot, and where there is no such cluster.
    func services(of viewer: Viewer) async -> Snapshot.View? {
        while let snapshot, snapshot.isComplete, snapshot.roster.clusters.contains(viewer.cluster) {
            demand.ask(for: viewer)
            if let view = snapshot.services(of: viewer) { return view }
            await current.change(from: snapshot)
        }
        return nil
    }

    /// The newest publication that all clients have taken.
    var taken: UInt64 { get async { await server.collect { $0.taken }.min() ?? .max } }

    var clients: [ClientStatus] {
        get async {
            await server.collect { $0.status }
                .sorted { ($0.node, $0.peer, $0.method) < ($1.node, $1.peer, $1.method) }
        }
    }

    func shutdown(grace: Duration) async {
        await server.shutdown(grace: grace)
        current.replace(with: nil)
        current.wakeAll()
    }
}

extension ServerSecurity {
    /// Reads the PEM files.
    fileprivate init(readingFrom files: Configuration.TLSFiles) throws(ConfigurationError) {
        let pair = KeyPair(
            certificateChain: try TextFile.read(files.certificate), privateKey: try TextFile.read(files.key)
        )
        var clientCA: String?
        if let path = files.clientCA { clientCA = try TextFile.read(path) }
        self = .tls(pair, clientCA: clientCA)
    }
}
