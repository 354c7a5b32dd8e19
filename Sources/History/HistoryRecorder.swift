import Balancing
import Discovery
public import Events
import Foundation
public import Model
public import Overrides
public import Snapshots
import Synchronization

/// Writes the log book: events as they come, and what is served of changed services once a second.
///
/// The state after a second counts; changes within it are one.
public final class HistoryRecorder: Sendable {
    /// The most services that wait to be written; further ones are only counted.
    private static let maxWaiting = 10_000
    /// The most services that are written in one second.
    private static let maxAtOnce = 500
    /// The most pods of a cluster in an entry.
    private static let maxPods = 100

    /// What is in force at one moment.
    public struct Served: Sendable {
        var builder: SnapshotBuilder
        var overrides: OverrideBook
        var origins: @Sendable (ServiceName, ClusterName) -> LayerOrigins

        /// - Parameter origins: where a service's numbers of one cluster are written.
        public init(
            _ builder: SnapshotBuilder, _ overrides: OverrideBook,
            origins: @escaping @Sendable (ServiceName, ClusterName) -> LayerOrigins
        ) {
            (self.builder, self.overrides, self.origins) = (builder, overrides, origins)
        }
    }

    /// Where the numbers of a layer are written.
    public struct LayerOrigins: Sendable {
        /// The source of the pods.
        public var source: String?
        /// The line of the configuration with the weight.
        public var configuration: String?

        /// Creates origins.
        public init(source: String?, configuration: String?) {
            (self.source, self.configuration) = (source, configuration)
        }
    }

    private struct State {
        var causes: [ServiceName: Set<String>] = [:]
        var dropped = 0
    }

    private let book: LogBook
    private let state = Mutex(State())

    /// Creates a recorder for a log book.
    public init(_ book: LogBook) { self.book = book }

    /// Notes that what is served of services changed.
    public func note(_ services: some Sequence<ServiceName>, because cause: String) {
        state.withLock { state in
            for name in services {
                if state.causes[name] != nil || state.causes.count < Self.maxWaiting {
                    state.causes[name, default: []].insert(cause)
                } else {
                    state.dropped += 1
                }
            }
        }
    }

    /// Writes until the task is cancelled.
    ///
    /// - Parameters:
    ///   - events: the feed to follow.
    ///   - served: returns what is in force.
    public func run(_ events: EventFeed, served: @escaping @Sendable () async -> Served) async {
        await withTaskGroup { group in
            group.addTask {
                guard let feed = events.follow() else { return }
                for await event in feed { if let entry = LogEntry(event) { await self.book.append([entry]) } }
            }
            group.addTask {
                while (try? await Task.sleep(for: .seconds(1))) != nil { await self.write(served) }
                await self.write(served)
            }
        }
    }

    private func write(_ served: () async -> Served) async {
        let (due, dropped) = state.withLock { state in
            let due = Array(state.causes.prefix(Self.maxAtOnce))
            for (name, _) in due { state.causes[name] = nil }
            defer { state.dropped = 0 }
            return (due, state.dropped)
        }
        guard !due.isEmpty else { return }
        let served = await served()
        let now = Date()
        let tunings = Tunings(served.overrides, at: now)
        var entries = due.sorted { $0.key < $1.key }.map { name, causes in
            LogEntry(name, causes.sorted(), served, tunings, at: now, maxPods: Self.maxPods)
        }
        if dropped > 0 {
            entries.append(LogEntry(time: now, kind: .change, says: "\(dropped) further changes of services"))
        }
        await book.append(entries)
    }
}

extension LogEntry {
    /// What is served of a service now.
    fileprivate init(
        _ name: ServiceName, _ causes: [String], _ served: HistoryRecorder.Served, _ tunings: Tunings, at now: Date,
        maxPods: Int
    ) {
        let builder = served.builder
        let view = ClientView(cluster: builder.ownCluster, kind: .lanes)
        guard let assignment = builder.assignment(of: name, for: view, with: tunings) else {
            self.init(time: now, kind: .change, service: name.rawValue, says: "no longer served", causes: causes)
            return
        }
        let clusters = assignment.shares.map { share in
            let origins = served.origins(name, share.cluster)
            return Cluster(
                cluster: share.cluster.rawValue, share: share.share,
                layers: (assignment.explanation(of: share.cluster)?.layers ?? []).map { Layer($0, origins) },
                pods: Dictionary(
                    share.pods.prefix(maxPods).map { ($0.name, $0.share) }, uniquingKeysWith: { first, _ in first }))
        }
        let words = clusters.map { "\($0.cluster) \(decimal($0.share * 100)) %" }.joined(separator: ", ")
        self.init(
            time: now, kind: .change, service: name.rawValue, says: words, causes: causes, clusters: clusters)
    }

    /// An event; nil if the log book has it in another form.
    init?(_ event: Event) {
        switch event.kind {
        case .serving(let services): self.init(time: event.time, kind: .serving, says: "serving \(services) services")
        case .changed: return nil
        case .hold(let change):
            self.init(time: event.time, kind: .hold, service: change.service.rawValue, says: change.sentence)
        case .override(let change):
            guard let sentence = change.sentence else { return nil }
            self.init(time: event.time, kind: .override, service: change.override?.spec.service, says: sentence)
        case .problemBegan(let problem):
            self.init(time: event.time, kind: .problem, says: "began: \(problem.sentence)")
        case .problemEnded(let problem):
            self.init(time: event.time, kind: .problem, says: "ended: \(problem.sentence)")
        }
    }
}

extension LogEntry.Layer {
    /// Creates a layer from an explanation's.
    init(_ layer: Explanation.Layer, _ origins: HistoryRecorder.LayerOrigins) {
        let written: String? =
            switch layer.kind {
            case .source: origins.source
            case .configuration: origins.configuration
            case .multipliers, .shares, .drains, .limits, .view: nil
            }
        self.init(
            layer: layer.kind.rawValue, name: "\(layer.kind)", effect: layer.effect, origin: written ?? layer.origin)
    }
}
