/// Limits the log lines of one kind: a burst, and as many more each minute.
///
/// Lines left out are counted; the next line that is logged has their number.
public struct LinePace: Sendable {
    private var bucket: TokenBucket
    private var left = 0

    /// Creates a limit of `most` lines at once, and as many more each minute.
    public init(perMinute most: Int) { bucket = TokenBucket(burst: Double(most), perMinute: Double(most)) }

    /// The text to log; nil if the line must be left out.
    public mutating func admit(_ text: String, at now: ContinuousClock.Instant = .now) -> String? {
        bucket.fill(at: now)
        guard bucket.take() else {
            left += 1
            return nil
        }
        defer { left = 0 }
        return left == 0 ? text : "\(text) (\(left) lines of this kind were left out before)"
    }
}
