/// How many log lines of one kind there may be: so many at once, and as many more each minute.
///
/// What is left out is counted, and told with the next line.
public struct LinePace: Sendable {
    private var bucket: TokenBucket
    private var left = 0

    /// A pace of so many lines a minute.
    public init(perMinute most: Int) { bucket = TokenBucket(burst: Double(most), perMinute: Double(most)) }

    /// The text as it is to be logged now; nil if it isn't.
    public mutating func take(_ text: String, at now: ContinuousClock.Instant = .now) -> String? {
        bucket.fill(at: now)
        guard bucket.take() else {
            left += 1
            return nil
        }
        defer { left = 0 }
        return left == 0 ? text : "\(text) (\(left) lines of this kind were left out before)"
    }
}
