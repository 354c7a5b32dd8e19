/// A rate limit: a number of events per second, after a burst of one second's worth.
///
/// A value without a clock: the caller passes the time.
struct Pace {
    private let interval: Duration
    private let burst: Duration
    /// When the next event would be due if all events were evenly spaced.
    private var due: ContinuousClock.Instant?

    /// - Parameter rate: events per second, at least 1.
    init(rate: Int) {
        interval = .nanoseconds(1_000_000_000 / max(rate, 1))
        burst = interval * max(rate, 1)
    }

    /// Counts events, one by default.
    ///
    /// - Returns: how long they must wait; nil for no wait.
    mutating func consume(_ count: Int = 1, at now: ContinuousClock.Instant) -> Duration? {
        let start = max(due ?? now, now)
        due = start + interval * count
        let wait = now.duration(to: start) - burst
        return wait > .zero ? wait : nil
    }

    /// How long the next event would have to wait; nil for no wait.
    func wait(at now: ContinuousClock.Instant) -> Duration? {
        guard let due else { return nil }
        let wait = now.duration(to: due) - burst
        return wait > .zero ? wait : nil
    }

    /// Whether any part of the burst is used up.
    func hasUsedBurst(at now: ContinuousClock.Instant) -> Bool { due.map { $0 > now } ?? false }

    /// Counts one event if it doesn't have to wait.
    ///
    /// - Returns: whether it was counted.
    mutating func consumeIfAllowed(at now: ContinuousClock.Instant) -> Bool {
        let last = due
        guard consume(at: now) != nil else { return true }
        due = last
        return false
    }
}

/// The rate limits for reading one stream: messages per second and bytes per second.
struct ReadingPace {
    private var messages: Pace
    private var kilobytes: Pace
    private let large: LargeMessagePaces
    private let identity: String
    /// Resumes the stream's reading after a delay; the task is cancelled when the stream ends.
    let pause: (OwnerID, Duration) -> Task<Void, Never>

    init(
        _ limits: ServerLimits, _ large: LargeMessagePaces, of identity: String,
        pause: @escaping (OwnerID, Duration) -> Task<Void, Never>
    ) {
        self.large = large
        self.identity = identity
        messages = Pace(rate: limits.messagesPerSecond)
        kilobytes = Pace(rate: limits.messageBytesPerSecond / 1_024)
        self.pause = pause
    }

    /// Counts a message.
    ///
    /// - Returns: how long the next message must wait; nil for no wait.
    mutating func consume(_ byteCount: Int, at now: ContinuousClock.Instant) -> Duration? {
        var wait = messages.consume(at: now)
        if let other = kilobytes.consume(byteCount / 1_024, at: now) { wait = max(wait ?? .zero, other) }
        if let other = large.consume(byteCount, of: identity, at: now) { wait = max(wait ?? .zero, other) }
        return wait
    }

    /// How long the first message must wait; nil for no wait.
    func waitForFirst(at now: ContinuousClock.Instant) -> Duration? { large.wait(of: identity, at: now) }
}
