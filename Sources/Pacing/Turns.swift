import Synchronization

/// Runs one body after the other, in the order in which they come.
///
/// Its callers bound how many wait: each has one body at a time.
public final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Nothing runs yet.
    public init() {}

    /// Calls `body` when all that came before are through.
    public func take<Result, Failure>(_ body: () async throws(Failure) -> Result) async throws(Failure) -> Result {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.isTaken { state.waiting.append(continuation) }
                defer { state.isTaken = true }
                return !state.isTaken
            }
            if isFree { continuation.resume() }
        }
        defer {
            let next = state.withLock { state in
                let next = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
                state.isTaken = next != nil
                return next
            }
            next?.resume()
        }
        return try await body()
    }
}
