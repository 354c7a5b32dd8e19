public import Logging
public import MeshConfiguration
public import Model
import Synchronization

/// Runs the sources that the configuration names, and starts and stops them as it changes.
public final class SourceRunner: Sendable {
    private let registry: Registry
    private let logger: Logger
    private let makeSource: @Sendable (SourceID) -> any EndpointSource
    private let configurations: AsyncStream<Configuration>
    private let continuation: AsyncStream<Configuration>.Continuation
    private let running = Mutex<[SourceID: Run]>([:])
    private let voice = Mutex<[SourceID: SourceVoice]>([:])
    /// Of problems and gateways, by source.
    private let paces = Mutex<[SourceID: LinePace]>([:])

    /// One life of a source: settings that go and come back make another one of the same `SourceID`.
    private struct Run {
        private static let last = Atomic(0)

        let number = Self.last.add(1, ordering: .relaxed).newValue
        let source: any EndpointSource
    }

    /// - Parameter makeSource: makes the source of those settings.
    public init(registry: Registry, logger: Logger, makeSource: @escaping @Sendable (SourceID) -> any EndpointSource) {
        self.registry = registry
        self.logger = logger
        self.makeSource = makeSource
        (configurations, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Sources that both configurations name go on; the others stop or start.
    public func configure(_ configuration: Configuration) { continuation.yield(configuration) }

    /// Runs until the task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            var stops: [SourceID: AsyncStream<Void>.Continuation] = [:]
            for await configuration in configurations {
                let wanted = Set(configuration.clusters.flatMap(SourceID.all))
                for source in stops.keys where !wanted.contains(source) {
                    stops.removeValue(forKey: source)?.finish()
                    voice.withLock { $0[source] = nil }
                    paces.withLock { $0[source] = nil }
                }
                for source in wanted where stops[source] == nil {
                    let (stop, continuation) = AsyncStream.makeStream(of: Void.self)
                    stops[source] = continuation
                    group.addTask { await self.run(source, until: stop) }
                }
            }
            group.cancelAll()
        }
    }

    private func run(_ id: SourceID, until stop: AsyncStream<Void>) async {
        let run = Run(source: makeSource(id))
        running.withLock { $0[id] = run }
        let isCurrent = { @Sendable in self.running.withLock { $0[id]?.number == run.number } }
        defer { running.withLock { if $0[id]?.number == run.number { $0[id] = nil } } }
        await withTaskGroup { group in
            group.addTask {
                await run.source.run { report in if isCurrent() { await self.receive(report, from: id) } }
            }
            group.addTask { for await _ in stop {} }
            await group.next()
            group.cancelAll()
        }
    }

    /// Where the pods of a service are written down, by cluster and pod; as far as the sources know.
    public func origins(of service: ServiceName) async -> [ClusterName: [String: PodOrigin]] {
        var origins: [ClusterName: [String: PodOrigin]] = [:]
        for (id, run) in running.withLock({ $0 }) {
            origins[id.cluster, default: [:]].merge(await run.source.origins(of: service)) { first, _ in first }
        }
        return origins
    }

    private func receive(_ report: SourceReport, from source: SourceID) async {
        let outcome = await registry.receive(report, from: source)
        let isFailure = if case .failure = report { true } else { false }
        switch voice.withLock({ $0[source, default: SourceVoice()].next(isFailure: isFailure, outcome) }) {
        case .silent: return
        case .isBack: logger.info("a source is back", metadata: metadata(source))
        case .says: break
        }
        var metadata = metadata(source)
        switch report {
        case .pods(let pods):
            metadata["pods"] = "\(pods.values.reduce(0) { $0 + $1.count })"
            logger.info("endpoints read", metadata: metadata)
        case .changes(let services, _):
            metadata["services"] = "\(services.count)"
            // What they change of what is served is told with the publication.
            logger.debug("endpoints changed", metadata: metadata)
        case .gateways(let gateways):
            metadata["gateways"] = "\(gateways.map(\.description).joined(separator: ","))"
            if let line = pace("gateways read", of: source) { logger.info("\(line)", metadata: metadata) }
        case .confirmed: break
        case .problems(let problems):
            for problem in problems {
                metadata["reason"] = "\(problem)"
                guard let line = pace("a part of a source can't be used", of: source) else { continue }
                logger.warning("\(line)", metadata: metadata)
            }
        case .failure(let reason, _):
            metadata["reason"] = "\(reason)"
            let consequence =
                outcome.hasState
                ? "its last good state is served on" : "nothing is known of it yet, and no client is served until it is"
            logger.error("a source can't be read; \(consequence)", metadata: metadata)
        }
    }

    private func pace(_ text: String, of source: SourceID) -> String? {
        paces.withLock { $0[source, default: LinePace(perMinute: 10)].take(text) }
    }

    private func metadata(_ source: SourceID) -> Logger.Metadata {
        ["cluster": "\(source.cluster)", "source": "\(source.description)"]
    }
}
