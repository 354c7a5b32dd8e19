import Synchronization

/// A clock that stands still until it is told to go on.
public final class ManualClock: Clock, Sendable {
    /// A moment, from the clock's start.
    public struct Instant: InstantProtocol {
        /// Since the start.
        public var offset: Duration

        /// A later moment.
        public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }

        /// How much later another moment is.
        public func duration(to other: Instant) -> Duration { other.offset - offset }

        /// Earlier comes first.
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        var number: Int
        var end: Instant
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var sleepers: [Sleeper] = []
        var lastNumber = 0
    }

    private let state = Mutex(State())

    /// A clock at its start.
    public init() {}

    /// Where it stands.
    public var now: Instant { state.withLock { $0.now } }

    /// It can be set to any moment.
    public var minimumResolution: Duration { .nanoseconds(1) }

    /// When those who sleep want to be woken.
    public var sleepers: [Duration] { state.withLock { $0.sleepers.map(\.end.offset) } }

    /// Sleeps until the clock is set to that moment, or the task is cancelled.
    public func sleep(until end: Instant, tolerance: Duration?) async throws {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard end > state.now, !Task.isCancelled else { return true }
                    state.sleepers.append(Sleeper(number: number, end: end, continuation: continuation))
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            wake { $0.number == number }
        }
        try Task.checkCancellation()
    }

    /// Goes on, and wakes those whose moment has come.
    public func advance(by duration: Duration) {
        let now = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            return state.now
        }
        wake { $0.end <= now }
    }

    private func wake(_ isDue: (Sleeper) -> Bool) {
        let woken = state.withLock { state in
            defer { state.sleepers.removeAll(where: isDue) }
            return state.sleepers.filter(isDue)
        }
        for sleeper in woken { sleeper.continuation.resume() }
    }
}
