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
        let snapshot = Mutex<Snapshot?>(nil)
        /// Those who wait for the next one.
        let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

        func wakeAll() {
            let waiting = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    /// What clients say that they sent where.
    let observer = LoadObserver()
    /// Whose views there have to be.
    let demand: Demand
    private let metrics: ControlPlaneMetrics
    private let current: Current
    private let server: Server<ServedStream>

    init(
        _ settings: Configuration.XDSServer, controlPlane: String, demand: Demand, metrics: ControlPlaneMetrics,
        logger: Logger
    ) {
        self.demand = demand
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
                head, snapshot: current.snapshot.withLock { $0 }, demand: demand, logger: logger)
            if let method = Method.at(head.method) {
                return ServedStream(
                    DiscoveryHandler(session, method, limits: limits, metrics: metrics, controlPlane: controlPlane))
            }
            guard head.method == LoadReport.method else { return nil }
            return ServedStream(LoadReportHandler(session, observer: observer, interval: interval))
        }
    }

    /// The snapshot in force; nil before the first.
    var snapshot: Snapshot? { current.snapshot.withLock { $0 } }

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
        current.snapshot.withLock { $0 = publication.snapshot }
        let progress = PublicationProgress(metrics, at: .now)
        await server.forEach { $0.publish(publication, progress) }
        progress.told()
        current.wakeAll()
    }

    /// What a viewer sees of services; has the view built where nobody has asked for it before.
    ///
    /// Nil before the first snapshot, and where there is no such cluster.
    func services(of viewer: Viewer) async -> Snapshot.View? {
        while let snapshot, snapshot.roster.clusters.contains(viewer.cluster) {
            if let view = snapshot.services(of: viewer) { return view }
            await withCheckedContinuation { continuation in
                current.waiting.withLock { $0.append(continuation) }
                demand.ask(for: viewer)
            }
        }
        return nil
    }

    var clients: [ClientStatus] {
        get async {
            await server.collect { $0.status }
                .sorted { ($0.node, $0.peer, $0.method) < ($1.node, $1.peer, $1.method) }
        }
    }

    func shutdown(grace: Duration) async {
        await server.shutdown(grace: grace)
        current.snapshot.withLock { $0 = nil }
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
