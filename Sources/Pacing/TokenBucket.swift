/// Lets through so many events at once, and so many more each minute.
public struct TokenBucket: Sendable {
    private let burst: Double
    private let perMinute: Double
    private var tokens: Double
    private var updated: ContinuousClock.Instant?

    /// A full bucket.
    public init(burst: Double, perMinute: Double) {
        (self.burst, self.perMinute) = (burst, perMinute)
        tokens = burst
    }

    /// Adds what the time since the last call has brought.
    public mutating func fill(at now: ContinuousClock.Instant) {
        if let updated { tokens = min(burst, tokens + (now - updated) / .seconds(60) * perMinute) }
        updated = now
    }

    /// Lets one event through; false if there are too many.
    public mutating func take() -> Bool {
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
