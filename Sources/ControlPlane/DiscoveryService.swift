import CoreMetrics
import EnvoyAPI
import GRPCTransport
import Logging
import MeshConfiguration
import Synchronization
import XDS
import YAMLFile

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
    private let reports: LoadReportQueue
    private let budget: Budget
    /// For each of the server's threads.
    private let queues: [PublicationQueue]
    private let clientsTaken: Mutex<ClientsTaken>
    private let takenMore: @Sendable () -> Void
    private let warnings: WarningLimit
    private let logger: Logger

    /// The newest publication that all clients have taken, as far as it is known.
    private struct ClientsTaken {
        var publication: UInt64 = 0
        /// Whether clients are being asked.
        var isAsking = false
    }

    /// - Parameter takenMore: called when clients are known to have taken more than before.
    init(
        _ settings: Configuration.XDSServer, controlPlane: String, demand: Demand, gateways: GatewayProgress,
        metrics: ControlPlaneMetrics, logger: Logger, takenMore: @escaping @Sendable () -> Void
    ) {
        self.logger = logger
        self.takenMore = takenMore
        clientsTaken = Mutex(ClientsTaken())
        self.demand = demand
        self.gateways = gateways
        self.metrics = metrics
        let limits = settings.limits
        var configuration = ServerConfiguration()
        configuration.limits = ServerLimits(limits)
        configuration.longestConnection = settings.longestConnection
        configuration.connections = ConnectionLimits(limits, isOn: settings.guardsConnections)
        CoreLog.forward(to: logger)
        let current = Current()
        self.current = current
        let reports = LoadReportQueue(observer, metrics: metrics)
        self.reports = reports
        let budget = Budget(limits)
        self.budget = budget
        let warnings = WarningLimit()
        self.warnings = warnings
        let interval = settings.loadReportInterval
        server = Server(configuration: configuration, logger: logger) { head in
            let session = ClientSession(
                head, snapshot: current.snapshot, demand: demand, warnings: warnings, logger: logger)
            if let method = Method.at(head.method) {
                return ServedStream(
                    DiscoveryHandler(
                        session, method, limits: limits, budget: budget, metrics: metrics, gateways: gateways,
                        controlPlane: controlPlane))
            }
            guard head.method == LoadReport.method else { return nil }
            return ServedStream(LoadReportHandler(session, reports: reports, interval: interval))
        }
        queues = (0..<server.threadCount).map { _ in PublicationQueue() }
    }

    /// The snapshot in force; nil before the first.
    var snapshot: Snapshot? { current.snapshot }

    /// Listens, and serves until `shutdown`.
    ///
    /// - Returns: the port, and the certificates that are in use; nil for plaintext.
    func start(_ settings: Configuration.XDSServer) async throws -> (port: UInt16, material: TLSMaterial?) {
        let material = try settings.tls.map { try TLSMaterial($0) }
        let security = material.map(ServerSecurity.init) ?? .plaintext
        return (try await server.start(address: "\(settings.listen)", security: security), material)
    }

    /// Reads the certificates again, for connections to come.
    ///
    /// Streams end whose clients no authority vouches for any more.
    func renewCertificates(_ files: Configuration.TLSFiles) async throws(ConfigurationError) -> TLSMaterial {
        let material = try TLSMaterial(files)
        await server.replaceCertificates(ServerSecurity(material))
        return material
    }

    /// Tells streams what is published, adds up load reports, and reports what the connection guard does, until the task
    /// is cancelled.
    func run() async {
        await withTaskGroup { group in
            for (thread, queue) in queues.enumerated() {
                group.addTask {
                    await queue.forEach { items in
                        await self.server.forEach(onThread: thread) { stream in
                            for item in items { stream.publish(item) }
                        }
                    }
                }
            }
            group.addTask { await self.reports.run() }
            group.addTask { await self.reportConnections() }
        }
    }

    /// Puts a snapshot in force, and has streams told.
    ///
    /// Publications come one after the other.
    func publish(_ publication: Publication) {
        current.replace(with: publication.snapshot)
        let progress = PublicationProgress(metrics, at: .now)
        for queue in queues { queue.add(publication, progress) }
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

    /// The newest publication that all clients are known to have taken; has them asked again.
    ///
    /// Nobody waits for the answer: `takenMore` is called when there is news.
    func taken() -> UInt64 {
        let (known, asks) = clientsTaken.withLock { taken in
            defer { taken.isAsking = true }
            return (taken.publication, !taken.isAsking)
        }
        guard asks else { return known }
        Task {
            // A client that comes later starts with a snapshot that is at least as new.
            let newest = snapshot?.number ?? 0
            let taken = min(await server.collect { $0.taken }.min() ?? .max, newest)
            let isNews = clientsTaken.withLock { last in
                defer { last = ClientsTaken(publication: max(taken, last.publication)) }
                return taken > last.publication
            }
            if isNews { takenMore() }
        }
        return known
    }

    /// Every open stream, by node.
    ///
    /// - Parameter limit: how many resources of each type of a stream are listed; the rest is only counted.
    func clients(listing limit: Int) async -> [ClientStatus] {
        await server.collect { $0.status(listing: limit) }
            .sorted { ($0.node, $0.peer, $0.method) < ($1.node, $1.peer, $1.method) }
    }

    /// Counts and logs what the connection guard refuses, once a second.
    private func reportConnections() async {
        var counted: [ConnectionGuard.Reason: Int] = [:]
        var refusedStreams = 0
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            metrics.connections.set(server.connections.open)
            metrics.clientBytes.set(budget.total)
            for reason in ConnectionGuard.Reason.allCases {
                let count = server.connections.refused(reason)
                guard count > counted[reason, default: 0] else { continue }
                metrics.refusedConnections(reason.rawValue).increment(by: count - counted[reason, default: 0])
                counted[reason] = count
            }
            let (refusals, lastRefusal) = server.refusals
            if refusals > refusedStreams, let lastRefusal {
                metrics.refusedStreams.increment(by: refusals - refusedStreams)
                logger.warning(
                    "streams refused",
                    metadata: ["count": "\(refusals - refusedStreams)", "reason": "\(lastRefusal.message)"])
                refusedStreams = refusals
            }
            for refusal in server.connections.takeRefusals().prefix(10) { warn(refusal) }
        }
    }

    private func warn(_ refusal: ConnectionGuard.Refusal) {
        guard case .logged(let suppressed) = warnings.take(about: refusal.address) else { return }
        var metadata: Logger.Metadata = [
            "reason": "\(refusal.reason.rawValue)", "peer": "\(refusal.address)", "count": "\(refusal.count)",
        ]
        switch refusal.reason {
        case .handshake:
            metadata["hint"] =
                CoreLog.takeHandshakeFailure().map { "\($0)" } ?? """
                    it ended before HTTP/2 began: mostly a client knows no authority that signed our certificate, or its own is \
                    missing, expired or of an authority that xds.tls.clientCA doesn't have; or it only looked whether we are there
                    """
        case .tls: metadata["hint"] = "the client speaks TLS, and xds.tls is not set"
        case .plaintext: metadata["hint"] = "the client speaks no TLS, and xds.tls is set"
        default: break
        }
        if suppressed > 0 { metadata["suppressed before"] = "\(suppressed)" }
        logger.warning("connections refused or ended", metadata: metadata)
    }

    /// Has a connection of this program's own not told of.
    func ignoreConnection(from port: UInt16) { server.connections.ignore(port: port) }

    func shutdown(grace: Duration) async {
        await server.shutdown(grace: grace)
        current.replace(with: nil)
        current.wakeAll()
    }
}

extension ServerSecurity {
    fileprivate init(_ material: TLSMaterial) { self = .tls(material.pair, clientCA: material.authorities) }
}

extension ServerLimits {
    init(_ limits: Configuration.Limits) {
        self.init()
        messageBytes = limits.messageBytes
        streamsPerConnection = limits.streamsPerConnection
        streams = limits.streams
        streamsPerIdentity = limits.streamsPerIdentity
        connections = limits.connections
        streamsPerSecond = limits.streamsPerSecond
        waitingStreams = limits.waitingStreams
        messagesPerSecond = limits.requestsPerSecond
        messageBytesPerSecond = limits.requestBytesPerSecond
    }
}

extension ConnectionLimits {
    init(_ limits: Configuration.Limits, isOn: Bool) {
        self.init()
        self.isOn = isOn
        connections = limits.connections
        perAddress = limits.connectionsPerAddress
        newPerSecond = limits.newConnectionsPerSecond
        handshake = limits.handshake
        addressStreamsPerSecond = limits.addressStreamsPerSecond
        addressStreamsBurst = 2 * limits.streamsPerConnection
        streamsPerSecond = limits.newStreamsPerSecond
        streamsBurst = limits.streamsPerConnection
        resetsPerSecond = limits.resetsPerSecond
        pingsPerSecond = limits.pingsPerSecond
        settingsPerSecond = limits.settingsPerSecond
        prioritiesPerSecond = limits.prioritiesPerSecond
        framesPerSecond = limits.framesPerSecond
        headerBlockBytes = limits.headerBlockBytes
        continuations = limits.continuations
        headerBytesPerSecond = limits.headerBytesPerSecond
        partialBytes = limits.partialBytes
        addressPartialBytes = limits.addressPartialBytes
        allPartialBytes = limits.allPartialBytes
    }
}
