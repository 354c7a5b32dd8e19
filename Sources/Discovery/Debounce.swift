import Synchronization

/// Gathers signals: one after another within `quiet` count as one, and none waits longer than `longest`.
public final class Debounce<C: Clock>: Sendable where C.Duration == Duration {
    private let clock: C
    private let quiet: Duration
    private let longest: Duration
    private let last: Mutex<C.Instant>
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    /// A debounce on that clock.
    public init(quiet: Duration, longest: Duration, clock: C) {
        self.clock = clock
        self.quiet = quiet
        self.longest = longest
        last = Mutex(clock.now)
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Something has changed.
    public func signal() {
        last.withLock { $0 = clock.now }
        continuation.yield()
    }

    /// Calls `body` once for every gathering of signals, until the task is cancelled.
    ///
    /// Only one task may do so.
    public func forEach(_ body: () async -> Void) async {
        for await _ in signals {
            let end = clock.now.advanced(by: longest)
            while true {
                let wait = min(last.withLock { $0 }.advanced(by: quiet), end)
                guard clock.now < wait else { break }
                do {
                    try await clock.sleep(until: wait, tolerance: .zero)
                } catch {
                    return
                }
            }
            await body()
        }
    }
}
