/// Limits the rate of events: a burst, and a number more each minute.
public struct TokenBucket: Sendable {
    private let burst: Double
    private let perMinute: Double
    private var tokens: Double
    private var updated: ContinuousClock.Instant?

    /// Creates a full bucket.
    public init(burst: Double, perMinute: Double) {
        (self.burst, self.perMinute) = (burst, perMinute)
        tokens = burst
    }

    /// Adds the tokens for the time since the last call.
    public mutating func fill(at now: ContinuousClock.Instant) {
        if let updated { tokens = min(burst, tokens + (now - updated) / .seconds(60) * perMinute) }
        updated = now
    }

    /// Removes a token; false if there is none.
    public mutating func take() -> Bool {
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
