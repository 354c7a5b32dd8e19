import Synchronization

/// Gathers signals: one after a time of quiet goes through at once; those that follow it within `quiet` of each other
/// count as one, and none waits longer than `longest`.
public final class Debounce<C: Clock>: Sendable where C.Duration == Duration {
    private struct Pending {
        /// When the first signal came that hasn't gone through.
        var first: C.Instant?
        /// When the last signal came, or was seen through.
        var last: C.Instant?
        /// Whether the first came after a time of quiet.
        var isLone = false
    }

    private let clock: C
    private let quiet: Duration
    private let longest: Duration
    private let pending = Mutex(Pending())
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    /// A debounce on that clock.
    public init(quiet: Duration, longest: Duration, clock: C) {
        self.clock = clock
        self.quiet = quiet
        self.longest = longest
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Something has changed.
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

    /// Calls `body` once for every gathering of signals, until the task is cancelled.
    ///
    /// Only one task may do so.
    public func forEach(_ body: () async -> Void) async {
        for await _ in signals {
            do {
                while let due, clock.now < due { try await clock.sleep(until: due, tolerance: .zero) }
            } catch {
                return
            }
            guard pending.withLock({ $0.first.take() }) != nil else { continue }
            await body()
            // What comes while there is so much to do, or right after it, is no lone signal.
            let now = clock.now
            pending.withLock { pending in
                pending.last = now
                pending.isLone = false
            }
        }
    }

    /// When what is pending goes through; nil for at once.
    private var due: C.Instant? {
        pending.withLock { pending in
            guard let first = pending.first, let last = pending.last, !pending.isLone else { return nil }
            return min(last.advanced(by: quiet), first.advanced(by: longest))
        }
    }
}
