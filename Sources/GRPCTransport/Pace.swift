/// Lets through so many events a second, after a burst of as many.
///
/// A value without a clock: whoever asks says what time it is.
struct Pace {
    private let interval: Duration
    private let burst: Duration
    /// When an event would be on time if all had come evenly.
    private var due: ContinuousClock.Instant?

    /// - Parameter rate: events a second, at least 1.
    init(rate: Int) {
        interval = .nanoseconds(1_000_000_000 / max(rate, 1))
        burst = interval * max(rate, 1)
    }

    /// Counts one event.
    ///
    /// - Returns: how long it has to wait; nil where it needn't.
    mutating func take(at now: ContinuousClock.Instant) -> Duration? {
        let start = max(due ?? now, now)
        due = start + interval
        let wait = now.duration(to: start) - burst
        return wait > .zero ? wait : nil
    }
}
