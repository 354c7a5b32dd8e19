public import XDS
public import Analysis
public import CoreMetrics
public import Discovery
public import Events
import Foundation
public import History
public import Intent
public import Logging
public import MeshConfiguration
public import Model
public import Overrides
import Pacing
public import ServiceLifecycle
public import Serving
public import Snapshots
import Synchronization
public import YAMLFile

/// Connects sources, registry, snapshots and streams, and runs them.
public final class ControlPlane: ServiceLifecycle.Service {
    /// Events as they happen.
    public let events: EventFeed
    /// The overrides in force.
    public let overrides: OverrideController

    /// What happened, and what was served.
    public let logBook: LogBook
    /// What clients reported in the last hour.
    public let history = LoadHistory()

    private let initial: Configuration
    private let registry: Registry
    private let sources: SourceRunner
    private let resolver: Resolver
    private let lastKnownGood: LastKnownGood?
    private let service: XDSService
    private let publisher: Publisher
    private let watch: OverrideWatch
    private let recorder: HistoryRecorder
    private let publication: PublicationRunner
    private let problems: ProblemBoard
    private let metrics: ServingMetrics
    private let logger: Logger
    private let started: @Sendable (UInt16) -> Void
    private let debounce: Debounce<ContinuousClock>
    private let watchdog = Mutex<Watchdog?>(nil)
    private let configuration: Mutex<ConfigurationStatus>

    /// - Parameters:
    ///   - version: the program's version, which clients get in the `control_plane` identifier.
    ///   - makeSource: creates sources that this module doesn't contain; nil if the kind is not supported.
    ///   - makePublisher: creates what publishes pods by objects of an API server; nil if that is not supported.
    ///   - metrics: creates the metrics.
    ///   - started: called with the xDS server's port once it listens.
    public init(
        _ configuration: Configuration, version: String,
        makeSource: @escaping @Sendable (SourceID) -> (any EndpointSource)? = { _ in nil },
        makePublisher: @escaping @Sendable (IstioPublication, ClusterName) -> (any PodPublisher)? = { _, _ in nil },
        metrics factory: any MetricsFactory = NOOPMetricsHandler.instance, logger: Logger,
        started: @escaping @Sendable (UInt16) -> Void = { _ in }
    ) {
        let server = configuration.server
        let debounce = Debounce(
            quiet: server.xds.debounce.quiet, longest: server.xds.debounce.longest, clock: ContinuousClock())
        let resolver = Resolver(server.dns, logger: logger)
        let saving = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        registry = Registry(
            configuration.mesh, maxGateways: server.sources.gateways, advice: HoldAdvice(server.admin)
        ) {
            resolver.replaceNames(with: $0)
        } changed: {
            debounce.signal()
            saving.continuation.yield()
        }
        lastKnownGood = server.state.map { [registry] path in
            LastKnownGood(path: path, registry: registry, changes: saving.stream, logger: logger)
        }
        sources = SourceRunner(registry: registry, logger: logger) { id in
            switch id.kind {
            case .endpoints(.file(let path)): FileSource(file: path, limits: server.sources)
            case .endpoints(.directory(let path)): FileSource(directory: path, limits: server.sources)
            case .endpoints(.ballast(let peer)): PeerSource(peer, limits: server.sources)
            case .endpoints(.kubernetes), .gateways: makeSource(id) ?? UnsupportedSource(id: id)
            }
        }
        metrics = ServingMetrics(factory)
        service = XDSService(
            server.xds, access: configuration.access, controlPlane: "ballast/\(version)", metrics: metrics,
            logger: logger
        ) { debounce.signal() }
        events = EventFeed()
        problems = ProblemBoard(events) { [metrics] in metrics.problems.set($0) }
        overrides = OverrideController(store: server.overrideStore, ceiling: server.overrides.ceiling) {
            [events] change in
            events.post(.override(change))
            debounce.signal()
        }
        logBook = LogBook(directory: server.state.map { "\($0)/log" })
        recorder = HistoryRecorder(logBook)
        publication = PublicationRunner(configuration.mesh, makePublisher: makePublisher) { [problems] state in
            problems.replace(.publication, with: state.problems)
            debounce.signal()
        }
        publisher = Publisher(registry, service, debounce, metrics, problems, events, overrides, recorder, publication)
        watch = OverrideWatch(overrides, service, history) { [publisher] in await publisher.builder }
        initial = configuration
        self.configuration = Mutex(ConfigurationStatus(configuration))
        self.resolver = resolver
        self.debounce = debounce
        self.logger = logger
        self.started = started
    }

    /// Serves until graceful shutdown.
    public func run() async throws {
        let settings = initial.server.xds
        note(configuration.withLock { $0 })
        let (port, material) = try await service.start(settings)
        let renewal = settings.tls.map { CertificateRenewal($0, of: service, metrics: metrics, logger: logger) }
        if let material { renewal?.note(material) }
        logger.info(
            "xDS server listening",
            metadata: ["address": "\(settings.listen.host)", "port": "\(port)", "tls": "\(settings.tls != nil)"]
        )
        if settings.isInsecure {
            logger.warning("xDS is served in plaintext, to everyone who can reach it: xds.insecure is true")
        }
        let watchdog = Watchdog(
            SocketAddress(host: settings.listen.host, port: port), isTLS: settings.tls != nil, logger: logger
        ) { [service] in service.ignoreConnection(from: $0) }
        self.watchdog.withLock { $0 = watchdog }
        started(port)
        await lastKnownGood?.load()
        await logBook.open()
        if let failure = await logBook.failure { logger.warning("\(failure)") }
        for warning in await overrides.load() { logger.warning("\(warning)") }
        // A reload may have come before.
        await registry.withIntent { [sources, publication] in
            sources.replaceSources(of: $0)
            publication.replace($0)
        }
        await withTaskGroup { group in
            group.addTask { await self.sources.run() }
            group.addTask { await self.resolver.run(for: self.registry) }
            group.addTask { await self.lastKnownGood?.run() }
            group.addTask {
                var log = EventLog(self.logger)
                await log.follow(self.events)
            }
            group.addTask { await self.publisher.run() }
            group.addTask { await self.publication.run() }
            group.addTask { await self.service.run() }
            group.addTask { await self.overrides.retryLoading { self.problems.replace(.overrides, with: $0) } }
            group.addTask { await self.watch.run() }
            group.addTask {
                await self.recorder.run(self.events) { await self.served }
            }
            group.addTask { await watchdog.run() }
            group.addTask { await self.watchLoad() }
            group.addTask { await renewal?.run { self.problems.replace(.certificates, with: [$0].compactMap(\.self)) } }
            try? await gracefulShutdown()
            group.cancelAll()
        }
        await service.shutdown(grace: .seconds(5))
        logger.info("xDS server stopped")
    }

    /// Applies a new configuration.
    ///
    /// Settings that need a restart keep their values, and a warning names them.
    public func reload(_ configuration: Configuration) async {
        var status = ConfigurationStatus(configuration)
        status.pending = configuration.server.differences(from: initial.server)
        if !status.pending.isEmpty {
            logger.warning(
                "what changed in \(status.pending.map { "`\($0)`" }.joined(separator: ", ")) takes effect at the next start"
            )
        }
        note(status)
        // Rules about certificates are of no use, or permit everyone, with the TLS settings of another configuration.
        if configuration.server.xds.tls == initial.server.xds.tls {
            await service.replaceAccess(with: configuration.access)
        }
        await registry.replaceIntent(with: configuration.mesh)
        await registry.withIntent { [sources, publication] in
            sources.replaceSources(of: $0)
            publication.replace($0)
        }
        logger.info(
            "configuration reloaded",
            metadata: [
                "version": "\(configuration.version)", "clusters": "\(configuration.mesh.clusters.count)",
                "services": "\(configuration.mesh.services.count)",
            ]
        )
    }

    /// Notes that a newer configuration was refused; the last one stays in force.
    public func refuse(_ error: ConfigurationError) {
        logger.error(
            "the new configuration can't be used; the last one stays in force", metadata: ["reason": "\(error)"])
        metrics.configurationRefused.set(1)
        configuration.withLock {
            $0.refusal = ConfigurationStatus.Refusal(time: Date(), reason: "\(error)")
        }
    }

    private func note(_ status: ConfigurationStatus) {
        let last = configuration.withLock { configuration in
            defer { configuration = status }
            return configuration
        }
        if last.version != status.version { metrics.configurationInfo(last.version).destroy() }
        metrics.configurationInfo(status.version).set(1)
        metrics.configurationRefused.set(0)
        metrics.configurationLoaded.set(status.loaded.timeIntervalSince1970)
    }

    /// Evaluates clients' load reports every five seconds.
    private func watchLoad() async {
        while (try? await Task.sleep(for: .seconds(5))) != nil {
            let holds = await registry.hasHolds ? registry.state.holds : []
            let findings = LoadFindings(
                service.observer.observations(at: .now), holds: holds, lastLeft: service.lastGatewayLeft)
            problems.replace(.loadReports, with: findings.problems)
            for hold in findings.failingHolds {
                await registry.releaseFailing(hold.pods, of: hold.service, in: hold.cluster)
            }
        }
    }

    /// Why the xDS port doesn't answer; nil while it does.
    public var xdsPortFailure: String? { watchdog.withLock { $0 }?.failure }

    /// The current status.
    public var status: Status {
        get async {
            let state = await registry.state
            return Status(
                isReady: service.snapshot?.isComplete == true, sources: state.sources, holds: state.holds,
                problems: problems.problems, configuration: configuration.withLock { $0 },
                ownCluster: state.intent.cluster, observed: service.observer.observations(at: .now))
        }
    }

    /// The services of a view, sorted by name.
    ///
    /// Nil before the first snapshot, or if the cluster doesn't exist.
    public func services(of view: ClientView) async -> [ServiceStatus]? {
        await service.services(of: view)?.services.sorted { $0.service.name < $1.service.name }
    }

    /// One service of a view; nil if it doesn't exist.
    public func service(_ name: ServiceName, of view: ClientView) async -> ServiceStatus? {
        await service.services(of: view)?.service(name)
    }

    /// What is published to gateways that only istiod configures.
    public var publicationState: PublicationState { publication.current }

    /// Where overrides are kept, as in `overrides.store`.
    public var overrideStore: String { initial.server.overrides.store.rawValue }

    /// What is in force, for the log book.
    private var served: HistoryRecorder.Served {
        get async {
            let status = await status
            return HistoryRecorder.Served(await publisher.builder, overrides.book) { service, cluster in
                HistoryRecorder.LayerOrigins(
                    source: status.sources.first { $0.cluster == cluster }?.description,
                    configuration: status.configuration.weightOrigins[service]?[cluster]?.description)
            }
        }
    }

    /// Fields of another configuration that would take effect at the next start only.
    public func pendingFields(of configuration: Configuration) -> [String] {
        configuration.server.differences(from: initial.server)
    }

    /// What overrides have to keep.
    public var overrideSettings: OverrideSettings { initial.server.overrides }

    /// Which clients have a service as it is served now.
    public func deliveries(of service: ServiceName) async -> [Delivery] { await self.service.deliveries(of: service) }

    /// A resource as it is served to the clients of a view; nil if there is none.
    public func resource(_ name: ResourceName, _ type: TypeURL, of view: ViewKey) -> ServedResource? {
        service.snapshot?[view]?.index(type)[name]
    }

    /// What is in force, as a builder: what it builds is not published.
    public func snapshotBuilder() async -> SnapshotBuilder { await publisher.builder }

    /// The source object of each of a service's pods, by cluster and pod name.
    public func origins(of service: ServiceName) async -> [ClusterName: [String: PodOrigin]] {
        await sources.origins(of: service)
    }

    /// Releases the held pods of a service, which its source no longer reports.
    ///
    /// - Parameter cluster: nil for all clusters.
    /// - Returns: the clusters in which pods were held.
    public func release(_ service: ServiceName, in cluster: ClusterName? = nil) async -> [ClusterName] {
        await registry.release(service, in: cluster)
    }

    /// The status of every open stream, sorted by node.
    public func clients() async -> [ClientStatus] { await service.clients() }
}

extension ConfigurationStatus {
    fileprivate init(_ configuration: Configuration) {
        self.init(version: configuration.version, loaded: Date(), weightOrigins: configuration.weightOrigins)
    }
}

extension ServerSettings {
    /// The store of overrides; nil if they are off.
    fileprivate var overrideStore: (any OverrideStore)? {
        switch overrides.store {
        case .file: state.map { OverrideJournal(directory: $0) }
        case .memory: MemoryStore()
        case .off: nil
        }
    }
}
