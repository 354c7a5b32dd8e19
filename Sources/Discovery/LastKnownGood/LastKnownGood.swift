import EnvoyAPI
import Foundation
public import Logging
import Model
import Pacing

/// Keeps what the registry knows in the state directory, and brings it back where sources are out of reach at the start.
public struct LastKnownGood: Sendable {
    /// How long sources may take to deliver before what was known is served instead: longer than a healthy one needs, so
    /// that clients aren't sent an old state for a moment at every start.
    private static let grace = Duration.milliseconds(500)
    /// How soon a write that failed is tried again.
    private static let retry = Duration.seconds(10)

    private let directory: StateDirectory
    private let registry: Registry
    private let logger: Logger
    private let signals: AsyncStream<Void>
    private let changes = Debounce(quiet: .seconds(1), longest: .seconds(5), clock: ContinuousClock())

    /// - Parameters:
    ///   - path: the directory.
    ///   - changes: tells when the registry's state has changed.
    public init(path: String, registry: Registry, changes: AsyncStream<Void>, logger: Logger) {
        directory = StateDirectory(path: path)
        signals = changes
        self.registry = registry
        self.logger = logger
    }

    /// Reads what was known before.
    ///
    /// Call it before the sources run: their first reports are compared with it.
    public func load() async {
        let clusters = await registry.state.clusters.map(\.name)
        let (saved, setAside) = directory.read(clusters)
        for file in setAside {
            logger.error(
                "a state file can't be used", metadata: ["file": "\(file.file)", "reason": "\(file.reason)"])
        }
        await registry.remember(saved)
    }

    /// Serves what was known before where sources don't deliver, and then writes what changes until the task is
    /// cancelled, and once more.
    public func run() async {
        try? await Task.sleep(for: Self.grace)
        let restored = await registry.serveRemembered()
        if !restored.isEmpty {
            logger.warning(
                "sources have not delivered yet; what was known before is served",
                metadata: ["clusters": "\(restored.map(\.rawValue).joined(separator: ","))"])
        }
        await withTaskGroup { group in
            group.addTask { for await _ in signals { changes.signal() } }
            group.addTask { await keep() }
            await group.waitForAll()
        }
    }

    private func keep() async {
        var failed: [ClusterName: SavedCluster] = [:]
        var timer: Task<Void, Never>?
        await changes.forEach {
            failed = save(failed.merging(await registry.takeUnsaved()) { $1 }, wasFailing: !failed.isEmpty)
            timer?.cancel()
            guard !failed.isEmpty else { return }
            timer = Task { [changes] in
                guard (try? await Task.sleep(for: Self.retry)) != nil else { return }
                changes.signal()
            }
        }
        timer?.cancel()
        _ = save(failed.merging(await registry.takeUnsaved()) { $1 }, wasFailing: !failed.isEmpty)
    }

    /// - Returns: what could not be written.
    private func save(_ all: [ClusterName: SavedCluster], wasFailing: Bool) -> [ClusterName: SavedCluster] {
        var failed: [ClusterName: SavedCluster] = [:]
        for (cluster, saved) in all {
            do {
                try directory.write(saved, of: cluster)
            } catch {
                failed[cluster] = saved
                guard !wasFailing else { continue }
                logger.warning(
                    "the last known state can't be written; serving goes on, a restart would start from an older one",
                    metadata: ["file": "\(directory.file(of: cluster))", "reason": "\(Self.reason(error))"])
            }
        }
        if wasFailing, failed.isEmpty { logger.info("the last known state is written again") }
        return failed
    }

    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError
        return (underlying ?? error).localizedDescription
    }
}
