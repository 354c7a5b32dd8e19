import HTTPTypes
import Hummingbird
import Pacing
import Synchronization

/// Computes plans one at a time: each may take as long as a push to a large service, and pushes come first.
final class PlanLimit: Sendable {
    private let most: Int
    private let turns = Turns()
    private let waiting = Mutex(0)

    init(most: Int = 16) { self.most = most }

    /// Computes a plan when its turn comes, unless too many wait.
    func run<Result>(_ body: () async throws -> Result) async throws -> Result {
        let isAdmitted = waiting.withLock { waiting in
            guard waiting < most else { return false }
            waiting += 1
            return true
        }
        guard isAdmitted else {
            throw RequestError(
                "busy", "\(most) plans wait, the most that can be", .tooManyRequests, headers: [.retryAfter: "1"])
        }
        defer { waiting.withLock { $0 -= 1 } }
        return try await turns.take(body)
    }
}

/// Limits the changes that one caller makes in a minute.
final class WriteLimit: Sendable {
    private let most: Int
    private let writes = Mutex<[String: [ContinuousClock.Instant]]>([:])

    init(perMinute most: Int) { self.most = most }

    /// Counts a change.
    func admit(_ caller: String) throws {
        let now = ContinuousClock.now
        let wait = writes.withLock { writes -> Duration? in
            writes = writes.filter { $0.value.last.map { now - $0 < .seconds(60) } == true }
            let recent = (writes[caller] ?? []).filter { now - $0 < .seconds(60) }
            if recent.count >= most, let first = recent.first { return .seconds(60) - (now - first) }
            writes[caller] = recent + [now]
            return nil
        }
        guard let wait else { return }
        let seconds = max(1, Int(wait.components.seconds) + 1)
        throw RequestError(
            "busy", "\(caller) made \(most) changes in a minute, the most that can be: wait \(seconds) s",
            .tooManyRequests, headers: [.retryAfter: "\(seconds)"])
    }
}
