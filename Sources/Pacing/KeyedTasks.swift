/// Runs one task for each key of a changing set.
///
/// A task starts when its key is added, and is cancelled when the key is removed.
public struct KeyedTasks<Key: Hashable & Sendable>: Sendable {
    private let wanted: AsyncStream<Set<Key>>
    private let continuation: AsyncStream<Set<Key>>.Continuation

    /// Creates an empty set.
    public init() { (wanted, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// Replaces the set of keys; tasks start and end accordingly.
    public func replaceKeys(with keys: Set<Key>) { continuation.yield(keys) }

    /// Runs the tasks until the caller's task is cancelled; may be called once.
    ///
    /// - Parameter body: the work of each task; it must return soon after cancellation.
    public func run(_ body: @escaping @Sendable (Key) async -> Void) async {
        await withDiscardingTaskGroup { group in
            var stops: [Key: AsyncStream<Void>.Continuation] = [:]
            for await keys in wanted {
                for key in stops.keys where !keys.contains(key) { stops.removeValue(forKey: key)?.finish() }
                for key in keys where stops[key] == nil {
                    let (stop, continuation) = AsyncStream.makeStream(of: Void.self)
                    stops[key] = continuation
                    group.addTask { await Self.run(key, until: stop, body) }
                }
            }
            group.cancelAll()
        }
    }

    private static func run(
        _ key: Key, until stop: AsyncStream<Void>, _ body: @escaping @Sendable (Key) async -> Void
    ) async {
        await withTaskGroup { group in
            group.addTask { await body(key) }
            group.addTask { for await _ in stop {} }
            await group.next()
            group.cancelAll()
        }
    }
}
