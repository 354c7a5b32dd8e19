import Synchronization

/// Combines signals that follow each other within `quiet`; no signal waits longer than `longest`.
///
/// A signal after a quiet period is delivered at once.
public final class Debounce<C: Clock>: Sendable where C.Duration == Duration {
    private struct Pending {
        /// When the first pending signal arrived; nil if none is pending.
        var first: C.Instant?
        /// When the last signal arrived or was delivered.
        var last: C.Instant?
        /// Whether the first pending signal came after a quiet period.
        var isLone = false
    }

    private let clock: C
    private let quiet: Duration
    private let longest: Duration
    private let pending = Mutex(Pending())
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    /// Creates a debounce on this clock.
    public init(quiet: Duration, longest: Duration, clock: C) {
        self.clock = clock
        self.quiet = quiet
        self.longest = longest
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Sends a signal.
    public func signal() {
        let now = clock.now
        pending.withLock { pending in
            if pending.first == nil {
                pending.first = now
                pending.isLone = pending.last.map { $0.advanced(by: quiet) <= now } ?? true
            }
            pending.last = now
        }
        continuation.yield()
    }

    /// Calls `body` once for every group of signals, until the task is cancelled.
    ///
    /// Must be called by one task only.
    public func forEach(isolation: isolated (any Actor)? = #isolation, _ body: () async -> Void) async {
        for await _ in signals {
            do {
                while let due, clock.now < due { try await clock.sleep(until: due, tolerance: .zero) }
            } catch {
                return
            }
            guard pending.withLock({ $0.first.take() }) != nil else { continue }
            await body()
            // Signals during `body`, or right after it, don't count as coming after a quiet period.
            let now = clock.now
            pending.withLock { pending in
                pending.last = now
                pending.isLone = false
            }
        }
    }

    /// When the pending signals are delivered; nil for at once.
    private var due: C.Instant? {
        pending.withLock { pending in
            guard let first = pending.first, let last = pending.last, !pending.isLone else { return nil }
            return min(last.advanced(by: quiet), first.advanced(by: longest))
        }
    }
}
