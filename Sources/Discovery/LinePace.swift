/// How many log lines of one kind there may be: so many at once, and as many more each minute.
///
/// What is left out is counted, and told with the next line.
public struct LinePace: Sendable {
    private let most: Double
    private var tokens: Double
    private var updated: ContinuousClock.Instant?
    private var left = 0

    /// A pace of so many lines a minute.
    public init(perMinute most: Int) {
        self.most = Double(most)
        tokens = Double(most)
    }

    /// The text as it is to be logged now; nil if it isn't.
    public mutating func take(_ text: String, at now: ContinuousClock.Instant = .now) -> String? {
        if let updated { tokens = min(most, tokens + (now - updated) / .seconds(60) * most) }
        updated = now
        guard tokens >= 1 else {
            left += 1
            return nil
        }
        tokens -= 1
        defer { left = 0 }
        return left == 0 ? text : "\(text) (\(left) lines of this kind were left out before)"
    }
}
