import CoreMetrics
import EnvoyAPI
public import Foundation
public import GRPCTransport
public import Intent
public import Logging
public import MeshConfiguration
public import Model
public import Snapshots
import Synchronization
import XDS
public import YAMLFile

/// The xDS server: serves the current snapshot to authorized clients.
public final class XDSService: Sendable {
    /// The current snapshot, with which new streams start.
    private final class Current: Sendable {
        private struct State {
            var snapshot: Snapshot?
            /// Tasks that wait for another snapshot.
            var waiting: [CheckedContinuation<Void, Never>] = []
        }

        private let state = Mutex(State())

        var snapshot: Snapshot? { state.withLock { $0.snapshot } }

        /// Sets the snapshot for new streams; waiting tasks resume only in `wakeAll`.
        func replace(with snapshot: Snapshot?) { state.withLock { $0.snapshot = snapshot } }

        func wakeAll() {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }

        /// Waits until the current snapshot is another than this one.
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

    /// Collects the clients' load reports.
    public let observer = LoadObserver()
    /// The views that are in use.
    public let demand: Demand
    let gateways: GatewayProgress
    private let access: AccessControl
    private let metrics: ServingMetrics
    private let current: Current
    private let server: Server<ServedStream>
    private let reports: LoadReportQueue
    private let budget: Budget
    /// One queue for each of the server's threads.
    private let queues: [PublicationQueue]
    private let answeredByClients: Mutex<ClientsTaken>
    private let answeredMore: @Sendable () -> Void
    private let warnings: WarningLimit
    private let logger: Logger

    /// The newest publication that all clients are known to have answered.
    private struct ClientsTaken {
        var publication: UInt64 = 0
        /// Whether the streams are being queried.
        var isAsking = false
    }

    /// - Parameters:
    ///   - access: the rules for views; nil gives every client any view.
    ///   - controlPlane: the `control_plane` identifier in responses.
    ///   - changed: called when a snapshot should be built again: a view came into use, or clients answered more.
    public init(
        _ settings: Configuration.XDSServer, access: Access?, controlPlane: String, metrics: ServingMetrics,
        logger: Logger, changed: @escaping @Sendable () -> Void
    ) {
        self.logger = logger
        answeredMore = changed
        answeredByClients = Mutex(ClientsTaken())
        demand = Demand(changed: changed)
        gateways = GatewayProgress(arrived: changed)
        self.access = AccessControl(access)
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
        let context = SessionContext(
            access: self.access, demand: demand, warnings: warnings, servesLEDS: settings.leds, logger: logger)
        let interval = settings.loadReportInterval
        server = Server(configuration: configuration, logger: logger) { [gateways] head in
            let session = ClientSession(head, snapshot: current.snapshot, context)
            if let method = Method.at(head.method) {
                return ServedStream(
                    DiscoveryStream(
                        session, method, limits: limits, budget: budget, metrics: metrics, gateways: gateways,
                        controlPlane: controlPlane))
            }
            guard head.method == LoadReport.method else { return nil }
            return ServedStream(LoadReportStream(session, reports: reports, interval: interval))
        }
        queues = (0..<server.threadCount).map { _ in PublicationQueue() }
    }

    /// The current snapshot; nil before the first.
    public var snapshot: Snapshot? { current.snapshot }

    /// Starts listening; serves until `shutdown`.
    ///
    /// - Returns: the port, and the certificates in use; nil for plaintext.
    public func start(_ settings: Configuration.XDSServer) async throws -> (port: UInt16, material: TLSMaterial?) {
        let material = try settings.tls.map { try $0.read() }
        let security = material.map(ServerSecurity.init) ?? .plaintext
        return (try await server.start(address: "\(settings.listen)", security: security), material)
    }

    /// Reloads the certificates for new connections.
    ///
    /// Open streams end if their client's certificate isn't trusted by the new authorities.
    public func renewCertificates(_ files: Configuration.TLSFiles) async throws(ConfigurationError) -> TLSMaterial {
        let material = try files.read()
        await server.replaceCertificates(ServerSecurity(material))
        return material
    }

    /// Replaces the access rules and applies them to open streams too.
    public func replaceAccess(with next: Access?) async {
        guard access.replace(with: next) else { return }
        for thread in queues.indices { await server.forEach(onThread: thread) { $0.reviewAccess() } }
    }

    /// Delivers publications to streams, processes load reports and reports refused connections, until the task is
    /// cancelled.
    public func run() async {
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

    /// Makes a snapshot current and queues it for all streams.
    ///
    /// Must not be called concurrently.
    public func publish(_ publication: Publication) {
        current.replace(with: publication.snapshot)
        let progress = PublicationProgress(metrics, at: .now)
        for queue in queues { queue.add(publication, progress) }
        progress.finishThread()
        current.wakeAll()
    }

    /// The services of a client's view; builds the view if it isn't in use.
    ///
    /// Nil before the first snapshot, or if the cluster doesn't exist.
    public func services(of view: ClientView) async -> Snapshot.View? {
        while let snapshot, snapshot.isComplete, snapshot.federation.clusters.contains(view.cluster) {
            demand.ask(for: .client(view))
            if let view = snapshot.services(of: .client(view)) { return view }
            await current.change(from: snapshot)
        }
        return nil
    }

    /// The publications that clients and gateways have answered.
    ///
    /// - Parameter clients: whether to include clients, which costs a query of every stream.
    public func progress(ofClients clients: Bool) -> ClientProgress {
        ClientProgress(clients: clients ? taken() : 0, gateways: gateways.taken)
    }

    /// Calls `changed` when all gateways of a cluster have answered the awaited publication.
    public func await(gateways publications: [ClusterName: UInt64]) { gateways.await(publications) }

    /// When the last gateway with a wildcard CDS subscription left a cluster; nil while there is one, or if there never
    /// was.
    public func lastGatewayLeft(_ cluster: ClusterName) -> Date? { gateways.lastLeft(cluster) }

    /// The newest publication that all clients are known to have answered; starts a new query of the streams.
    ///
    /// Doesn't wait for the query: `answeredMore` is called if it finds a newer publication.
    private func taken() -> UInt64 {
        let (known, asks) = answeredByClients.withLock { taken in
            defer { taken.isAsking = true }
            return (taken.publication, !taken.isAsking)
        }
        guard asks else { return known }
        Task {
            // Clients that connect later start with a snapshot that is at least as new.
            let newest = snapshot?.number ?? 0
            let taken = min(await server.collect { $0.taken }.min() ?? .max, newest)
            let isNews = answeredByClients.withLock { last in
                defer { last = ClientsTaken(publication: max(taken, last.publication)) }
                return taken > last.publication
            }
            if isNews { answeredMore() }
        }
        return known
    }

    /// An answer from every open stream, each on its own thread.
    func streams<Answer: Sendable>(_ question: @escaping @Sendable (ServedStream) -> Answer) async -> [Answer] {
        await server.collect(question)
    }

    /// The status of every open stream, sorted by node.
    public func clients() async -> [ClientStatus] {
        await server.collect(\.status).sorted { ($0.node, $0.peer, $0.method) < ($1.node, $1.peer, $1.method) }
    }

    /// Counts and logs refused connections and streams, once a second.
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
        guard case .logged(let suppressed) = warnings.admit(about: refusal.address) else { return }
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

    /// Excludes one of Ballast's own connections from logs and counts.
    public func ignoreConnection(from port: UInt16) { server.connections.ignore(port: port) }

    /// Ends all streams; those left after `grace` are cancelled.
    public func shutdown(grace: Duration) async {
        await server.shutdown(grace: grace)
        current.replace(with: nil)
        current.wakeAll()
    }
}
