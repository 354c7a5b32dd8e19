/// How long to wait before the next attempt: twice as long after every failure, up to a longest time.
///
/// Times are random between half and all of that, so that those that failed together don't try again together.
public struct Backoff: Hashable, Sendable {
    private let first: Duration
    private let longest: Duration
    private var failures = 0

    /// - Parameters:
    ///   - first: the longest wait after one failure.
    ///   - longest: the longest wait after many.
    public init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// The wait after one more failure.
    ///
    /// - Parameters:
    ///   - longest: another longest time, for this kind of failure; nil for the usual one.
    ///   - least: the shortest wait, such as one that a server asks for.
    public mutating func next(longest: Duration? = nil, least: Duration = .zero) -> Duration {
        let bound = min(first * (1 << min(failures, 20)), longest ?? self.longest)
        failures += 1
        return max(bound * Double.random(in: 0.5...1), least)
    }

    /// Notes a success.
    public mutating func reset() { failures = 0 }
}
