import Synchronization

/// Runs bodies one at a time, in the order of the calls.
///
/// Waiting calls are not limited; callers must have at most one call each at a time.
public final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Creates an idle instance.
    public init() {}

    /// Runs `body` after all earlier calls have finished.
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
