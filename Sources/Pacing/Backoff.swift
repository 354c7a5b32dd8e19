/// The delay before the next attempt: doubles with every failure, up to a maximum.
///
/// Delays are random between half and all of that, so that clients that failed together don't retry together.
public struct Backoff: Hashable, Sendable {
    private let first: Duration
    private let longest: Duration
    private var failures = 0

    /// - Parameters:
    ///   - first: the maximum delay after the first failure.
    ///   - longest: the maximum delay after many failures.
    public init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// Counts a failure and returns the delay.
    ///
    /// - Parameters:
    ///   - longest: the maximum for this kind of failure; nil for the usual one.
    ///   - least: the minimum delay, such as one that a server asks for.
    public mutating func next(longest: Duration? = nil, least: Duration = .zero) -> Duration {
        let bound = min(first * (1 << min(failures, 20)), longest ?? self.longest)
        failures += 1
        return max(bound * Double.random(in: 0.5...1), least)
    }

    /// Resets the delay after a success.
    public mutating func reset() { failures = 0 }
}
