public import CoreMetrics
public import Discovery
import Foundation
import HashTreeCollections
public import Logging
public import MeshConfiguration
public import Model
public import ServiceLifecycle
import Synchronization
import XDS
public import YAMLFile

/// A control plane: sources, registry, balancer, snapshot, subscriptions, streams, put together.
public final class ControlPlane: ServiceLifecycle.Service {
    private let initial: Configuration
    private let registry: Registry
    private let sources: SourceRunner
    private let resolver: Resolver
    private let lastKnownGood: LastKnownGood?
    private let debounce: Debounce<ContinuousClock>
    private let discovery: DiscoveryService
    private let metrics: ControlPlaneMetrics
    private let logger: Logger
    private let started: @Sendable (UInt16) -> Void
    private let watchdog = Mutex<Watchdog?>(nil)
    private let loadWatch: LoadWatch
    /// Why the newest certificates can't be used; nil if they are in use.
    private let certificateProblem = Mutex<String?>(nil)
    private let configuration: Mutex<ConfigurationStatus>

    /// - Parameters:
    ///   - version: this program's, for clients to see.
    ///   - makeSource: makes the sources that this room doesn't have; nil for one that it doesn't have either.
    ///   - metrics: makes what it counts and times with.
    ///   - started: called with the xDS server's port once it listens.
    public init(
        _ configuration: Configuration, version: String,
        makeSource: @escaping @Sendable (SourceID) -> (any EndpointSource)? = { _ in nil },
        metrics factory: any MetricsFactory = NOOPMetricsHandler.instance, logger: Logger,
        started: @escaping @Sendable (UInt16) -> Void = { _ in }
    ) {
        let gathering = configuration.xds.debounce
        let debounce = Debounce(quiet: gathering.quiet, longest: gathering.longest, clock: ContinuousClock())
        initial = configuration
        self.configuration = Mutex(ConfigurationStatus(version: configuration.version, loaded: Date()))
        self.debounce = debounce
        metrics = ControlPlaneMetrics(factory)
        self.logger = logger
        self.started = started
        let resolver = Resolver(configuration.dns, logger: logger)
        self.resolver = resolver
        let saving = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        registry = Registry(configuration) {
            resolver.want($0)
        } changed: {
            debounce.signal()
            saving.continuation.yield()
        }
        lastKnownGood = configuration.state.map { [registry] path in
            LastKnownGood(path: path, registry: registry, changes: saving.stream, logger: logger)
        }
        sources = SourceRunner(registry: registry, logger: logger) { id in
            switch id.kind {
            case .endpoints(.file(let path)): FileSource(path: path, limits: configuration.sources)
            case .endpoints(.ballast(let peer)): PeerSource(peer, limits: configuration.sources)
            case .endpoints(.kubernetes), .gateways: makeSource(id) ?? UnsupportedSource(id: id)
            }
        }
        discovery = DiscoveryService(
            configuration.xds, controlPlane: "ballast/\(version)", demand: Demand { debounce.signal() },
            gateways: GatewayProgress { debounce.signal() }, metrics: metrics, logger: logger
        ) { debounce.signal() }
        loadWatch = LoadWatch(discovery.observer, registry, discovery.gateways, logger: logger)
    }

    /// Serves until it is told to shut down.
    public func run() async throws {
        let settings = initial.xds
        note(configuration.withLock { $0 })
        let (port, material) = try await discovery.start(settings)
        if let files = settings.tls, let material { noteCertificate(files, material) }
        logger.info(
            "xDS server listening",
            metadata: ["address": "\(settings.listen.host)", "port": "\(port)", "tls": "\(settings.tls != nil)"]
        )
        if settings.isInsecure {
            logger.warning("xDS is served in plaintext, to everyone who can reach it: xds.insecure is true")
        }
        let watchdog = Watchdog(
            SocketAddress(host: settings.listen.host, port: port), isTLS: settings.tls != nil, logger: logger
        ) { [discovery] in discovery.ignoreConnection(from: $0) }
        self.watchdog.withLock { $0 = watchdog }
        started(port)
        await lastKnownGood?.load()
        sources.configure(initial)
        await withTaskGroup { group in
            group.addTask { await self.sources.run() }
            group.addTask { await self.resolver.run(for: self.registry) }
            if let lastKnownGood { group.addTask { await lastKnownGood.run() } }
            group.addTask { await self.publishChanges() }
            group.addTask { await self.discovery.run() }
            group.addTask { await watchdog.run() }
            group.addTask { await self.loadWatch.run() }
            if let files = settings.tls { group.addTask { await self.renewCertificates(files) } }
            try? await gracefulShutdown()
            group.cancelAll()
        }
        await discovery.shutdown(grace: .seconds(5))
        logger.info("xDS server stopped")
    }

    /// Puts a new configuration in force.
    ///
    /// What only a start can change stays as it was, with a warning.
    public func reload(_ configuration: Configuration) async {
        var xds = configuration.xds
        xds.access = initial.xds.access
        let changes = [
            ("xds", xds != initial.xds), ("admin", configuration.admin != initial.admin),
            ("state", configuration.state != initial.state), ("dns", configuration.dns != initial.dns),
            ("sources", configuration.sources != initial.sources),
        ]
        let pending = changes.filter(\.1).map(\.0)
        if !pending.isEmpty {
            logger.warning(
                "what changed in \(pending.map { "`\($0)`" }.joined(separator: ", ")) takes effect at the next start")
        }
        note(ConfigurationStatus(version: configuration.version, loaded: Date(), pending: pending))
        await registry.configure(configuration)
        sources.configure(configuration)
        logger.info(
            "configuration reloaded",
            metadata: [
                "version": "\(configuration.version)", "clusters": "\(configuration.clusters.count)",
                "services": "\(configuration.services.count)",
            ]
        )
    }

    /// Notes that a newer configuration can't be used; the last one stays in force.
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
        metrics.noteConfiguration(status, after: last)
    }

    /// Why nobody answers at the xDS port, though it listens; nil while somebody does.
    public var deafness: String? { watchdog.withLock { $0 }?.failure }

    /// What it is doing.
    public var status: Status {
        get async {
            let state = await registry.state
            return Status(
                isReady: discovery.snapshot?.isComplete == true, sources: state.sources, holds: state.holds,
                problems: state.problems.union(discovery.snapshot?.problems ?? []).sorted() + loadWatch.problems
                    + [certificateProblem.withLock { $0 }].compactMap(\.self),
                configuration: configuration.withLock { $0 },
                defaultCluster: state.configuration.cluster,
                observed: discovery.observer.observations(at: .now)
            )
        }
    }

    /// What a kind of client is served, in the order of the services' names.
    ///
    /// Nil before the first snapshot, and where there is no such cluster.
    public func services(of viewer: Viewer) async -> [ServiceStatus]? {
        await discovery.services(of: viewer)?.content.services.values.sorted { $0.service.name < $1.service.name }
    }

    /// Where the pods of a service are written down, by cluster and pod.
    public func origins(of service: ServiceName) async -> [ClusterName: [String: PodOrigin]] {
        await sources.origins(of: service)
    }

    /// Lets go the endpoints of a service that are held though their source no longer names them.
    ///
    /// - Parameter cluster: nil for all.
    /// - Returns: the clusters where something was held.
    public func release(_ service: ServiceName, in cluster: ClusterName? = nil) async -> [ClusterName] {
        await registry.release(service, in: cluster)
    }

    /// Every open stream, by node.
    ///
    /// - Parameter limit: how many resources of each type of a stream are listed; the rest is only counted.
    public func clients(listing limit: Int = .max) async -> [ClientStatus] { await discovery.clients(listing: limit) }

    private func noteCertificate(_ files: Configuration.TLSFiles, _ material: TLSMaterial) {
        metrics.certificateExpiry(files.certificate).set(material.expiry)
        if let warning = material.warning(about: files.certificate) { logger.warning("\(warning)") }
        let end = Date(timeIntervalSince1970: Double(material.expiry))
        logger.info(
            "certificate in use",
            metadata: ["certificate": "\(files.certificate)", "until": "\(end.formatted(.iso8601))"])
    }

    /// Reads the certificates again whenever their files change.
    private func renewCertificates(_ files: Configuration.TLSFiles) async {
        let changes = FileChanges(of: [files.certificate, files.key] + [files.clientCA].compactMap(\.self))
        var isFirst = true
        await changes.forEach { _ in
            // What is there at the start is in force already.
            defer { isFirst = false }
            guard !isFirst else { return }
            do throws(ConfigurationError) {
                do throws(ConfigurationError) {
                    noteCertificate(files, try await discovery.renewCertificates(files))
                } catch {
                    // A certificate and its key are two files, and one comes first.
                    try? await Task.sleep(for: .seconds(2))
                    noteCertificate(files, try await discovery.renewCertificates(files))
                }
                certificateProblem.withLock { $0 = nil }
            } catch {
                logger.error("the new certificates can't be used; the last ones stay", metadata: ["reason": "\(error)"])
                certificateProblem.withLock {
                    $0 = "the new certificates can't be used, and the last ones stay: \(error)"
                }
            }
        }
    }

    /// Has the snapshot built again at a later time.
    private func signal(at instant: ContinuousClock.Instant) -> Task<Void, Never> {
        Task { [debounce] in
            do {
                try await ContinuousClock().sleep(until: instant)
                debounce.signal()
            } catch {}
        }
    }

    private func publishChanges() async {
        var builder = SnapshotBuilder(discovery.gateways)
        var timer: Task<Void, Never>?
        var problems: Set<String> = []
        var changeLog = ChangeLog()
        var holdLog = HoldLog(logger)
        var problemPace = LinePace(perMinute: 30)
        defer { timer?.cancel() }
        var hasAny = false
        await debounce.forEach {
            guard let changes = await registry.takeChanges() else { return }
            let now = ContinuousClock.now
            let demand = discovery.demand.viewers(at: now)
            let taken = builder.waitsForClients(at: now) ? discovery.taken() : 0
            let names = changes.configuration == nil ? Set(changes.pods.keys) : builder.names
            let before = hasAny ? names.map { ($0, builder.facts(of: $0)) } : []
            guard let outcome = builder.build(changes, for: demand.viewers, clientsHaveTaken: taken, at: now) else {
                return
            }
            for (name, facts) in before where !facts.isSame(as: builder.facts(of: name)) {
                changeLog.note(name, before: facts)
            }
            let isFirst = !hasAny && changes.isComplete
            hasAny = hasAny || changes.isComplete
            if let since = changes.since { metrics.sourceToSnapshot.record(since: since) }
            if !changes.isEmpty { metrics.publications.increment() }
            metrics.staleSources.set(changes.staleCount)
            metrics.heldEndpoints.set(changes.heldCount)
            discovery.publish(outcome.publication)
            timer?.cancel()
            for line in changeLog.take(at: now, builder.facts(of:)) { logger.info("\(line)") }
            holdLog.tell(changes.holds)
            timer = [outcome.next, changes.nextRelease, demand.next, changeLog.next].compactMap(\.self).min()
                .map(signal(at:))
            let known = problems
            problems = outcome.publication.snapshot.problems.union(changes.problems)
            for problem in known.subtracting(problems).sorted() {
                guard let line = problemPace.take("a problem is over") else { continue }
                logger.info("\(line)", metadata: ["problem": "\(problem)"])
            }
            for problem in problems.subtracting(known).sorted() {
                guard let line = problemPace.take("something is not served as configured") else { continue }
                logger.warning("\(line)", metadata: ["reason": "\(problem)"])
            }
            if isFirst {
                logger.info("every source has synced; serving", metadata: ["services": "\(builder.names.count)"])
            }
        }
    }
}
