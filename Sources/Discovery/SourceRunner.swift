public import Intent
public import Logging
public import Model
import Pacing
import Synchronization

/// Runs the sources of an intent, starts and stops them when it changes, and passes their reports to the registry.
public final class SourceRunner: Sendable {
    private let registry: Registry
    private let logger: Logger
    private let makeSource: @Sendable (SourceID) -> any EndpointSource
    private let tasks = KeyedTasks<SourceID>()
    private let running = Mutex<[SourceID: Run]>([:])
    private let logs = Mutex<[SourceID: SourceLog]>([:])

    /// One run of a source.
    ///
    /// Settings that are removed and restored start another run with the same `SourceID`.
    private struct Run {
        private static let last = Atomic(0)

        let number = Self.last.add(1, ordering: .relaxed).newValue
        let source: any EndpointSource
    }

    /// - Parameter makeSource: creates the source for an ID.
    public init(registry: Registry, logger: Logger, makeSource: @escaping @Sendable (SourceID) -> any EndpointSource) {
        self.registry = registry
        self.logger = logger
        self.makeSource = makeSource
    }

    /// Runs the sources of an intent; those that are already running continue.
    public func replaceSources(of intent: MeshIntent) {
        tasks.replaceKeys(with: Set(intent.clusters.flatMap(SourceID.all)))
    }

    /// Runs until the task is cancelled.
    public func run() async { await tasks.run { await self.run($0) } }

    private func run(_ id: SourceID) async {
        let run = Run(source: makeSource(id))
        running.withLock { $0[id] = run }
        let isCurrent = { @Sendable in self.running.withLock { $0[id]?.number == run.number } }
        await run.source.run { report in if isCurrent() { await self.receive(report, from: id) } }
        let isLast = running.withLock { running in
            guard running[id]?.number == run.number else { return false }
            running[id] = nil
            return true
        }
        if isLast { logs.withLock { $0[id] = nil } }
    }

    /// The origins of a service's pods by cluster and pod, as far as the sources know them.
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
        switch logs.withLock({ $0[source, default: SourceLog()].verdict(isFailure: isFailure, outcome) }) {
        case .suppressed: return
        case .isBack: logger.info("a source is back", metadata: metadata(source))
        case .logged: break
        }
        switch report {
        case .update(let update): log(update, of: source)
        case .confirmed: break
        case .problems(let problems):
            for problem in problems {
                guard let line = line("a part of a source can't be used", of: source) else { continue }
                logger.warning("\(line)", metadata: metadata(source, ["reason": "\(problem)"]))
            }
        case .failure(let reason, _):
            let consequence =
                outcome.hasState
                ? "its last good state is served on"
                : "nothing is known of it yet; clients are served once it is, or from the saved state"
            logger.error("a source can't be read; \(consequence)", metadata: metadata(source, ["reason": "\(reason)"]))
        }
    }

    private func log(_ update: SourceUpdate, of source: SourceID) {
        switch update.pods {
        case .all(let services):
            let count = services.values.reduce(0) { $0 + $1.pods.count }
            logger.info("endpoints read", metadata: metadata(source, ["pods": "\(count)"]))
        case .changed(let services):
            // Changes to what is served are logged with the publication.
            logger.debug("endpoints changed", metadata: metadata(source, ["services": "\(services.count)"]))
        case nil: break
        }
        guard let gateways = update.gateways, let line = line("gateways read", of: source) else { return }
        let list = gateways.map(\.description).joined(separator: ",")
        logger.info("\(line)", metadata: metadata(source, ["gateways": "\(list)"]))
    }

    private func line(_ text: String, of source: SourceID) -> String? {
        logs.withLock { $0[source, default: SourceLog()].line(text) }
    }

    private func metadata(_ source: SourceID, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
        more.merging(["cluster": "\(source.cluster)", "source": "\(source.description)"]) { given, _ in given }
    }
}
