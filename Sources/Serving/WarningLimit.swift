import Synchronization

/// Limits the number of logged warnings about each client, so that no client can fill the disk.
final class WarningLimit: Sendable {
    /// The maximum number of warnings about one client in `period`.
    static let most = 10
    /// The maximum number of warnings about all clients in `period`.
    static let maxOfAll = 300
    static let period = Duration.seconds(60)

    private struct State {
        var start: ContinuousClock.Instant?
        var all = 0
        /// Warnings by client; at most `maxOfAll` entries.
        var counts: [String: Int] = [:]
        var suppressed = 0
    }

    private let state = Mutex(State())

    enum Verdict: Hashable {
        case suppressed
        /// Log the warning, and the number of warnings suppressed in the period before.
        case logged(suppressedBefore: Int)
    }

    /// Counts a warning, and decides whether to log it.
    func admit(about client: String, at now: ContinuousClock.Instant = .now) -> Verdict {
        state.withLock { state in
            var before = 0
            if state.start.map({ now - $0 >= Self.period }) ?? true {
                before = state.suppressed
                state = State(start: now)
            }
            guard state.all < Self.maxOfAll, state.counts[client, default: 0] < Self.most else {
                state.suppressed += 1
                return .suppressed
            }
            state.all += 1
            state.counts[client, default: 0] += 1
            return .logged(suppressedBefore: before)
        }
    }
}
