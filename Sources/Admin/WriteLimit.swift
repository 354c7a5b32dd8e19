import HTTPTypes
import Hummingbird
import Synchronization

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
