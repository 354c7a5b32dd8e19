import HTTPTypes
import Hummingbird
import Synchronization

/// Limits the plans that are computed at once: each may take as long as a push to a large service.
final class PlanLimit: Sendable {
    private let most: Int
    private let running = Mutex(0)

    init(most: Int = 4) { self.most = most }

    /// Computes a plan, unless too many are being computed.
    func run<Result>(_ body: () async throws -> Result) async throws -> Result {
        let isAdmitted = running.withLock { running in
            guard running < most else { return false }
            running += 1
            return true
        }
        guard isAdmitted else {
            throw RequestError(
                "busy", "\(most) plans are being computed, the most that can be", .tooManyRequests,
                headers: [.retryAfter: "1"])
        }
        defer { running.withLock { $0 -= 1 } }
        return try await body()
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
