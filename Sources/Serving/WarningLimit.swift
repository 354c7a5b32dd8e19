import Synchronization

/// How many warnings are logged about each client, so that none can fill a disk.
final class WarningLimit: Sendable {
    /// Warnings about one client within `period`.
    static let most = 10
    /// Warnings about all clients within `period`.
    static let mostOfAll = 300
    static let period = Duration.seconds(60)

    private struct State {
        var start: ContinuousClock.Instant?
        var all = 0
        /// By client; at most `mostOfAll` have an entry.
        var counts: [String: Int] = [:]
        var suppressed = 0
    }

    private let state = Mutex(State())

    /// What becomes of a warning.
    enum Verdict: Hashable {
        case suppressed
        /// It is logged, and how many were suppressed in the period before.
        case logged(suppressedBefore: Int)
    }

    /// Counts a warning.
    func take(about client: String, at now: ContinuousClock.Instant = .now) -> Verdict {
        state.withLock { state in
            var before = 0
            if state.start.map({ now - $0 >= Self.period }) ?? true {
                before = state.suppressed
                state = State(start: now)
            }
            guard state.all < Self.mostOfAll, state.counts[client, default: 0] < Self.most else {
                state.suppressed += 1
                return .suppressed
            }
            state.all += 1
            state.counts[client, default: 0] += 1
            return .logged(suppressedBefore: before)
        }
    }
}
