import Pacing

/// Decides which of a source's reports are logged.
///
/// - Failures: three at once, then one a minute.
/// - The first success after a logged failure.
/// - Other reports that bring something new.
struct SourceLog {
    /// Whether a report is logged.
    enum Verdict: Hashable {
        /// The report is logged.
        case logged
        /// The source's return is logged, then the report.
        case isBack
        /// Nothing is logged.
        case suppressed
    }

    private var failures = TokenBucket(burst: 3, perMinute: 1)
    private var lines = LinePace(perMinute: 10)
    /// Whether the last logged report was a failure.
    private var isFailing = false

    /// - Parameter isFailure: whether the report is a failure.
    mutating func verdict(
        isFailure: Bool, _ outcome: ReportOutcome, at now: ContinuousClock.Instant = .now
    ) -> Verdict {
        failures.fill(at: now)
        guard isFailure else {
            guard isFailing, !outcome.isStale else { return outcome.isNews ? .logged : .suppressed }
            isFailing = false
            return .isBack
        }
        // A failure suppressed by the rate limit is logged later if it lasts.
        guard outcome.isNews || !isFailing, outcome.isStale, failures.take() else { return .suppressed }
        isFailing = true
        return .logged
    }

    /// The line to log about gateways or problems; nil if the rate limit suppresses it.
    mutating func line(_ text: String) -> String? { lines.admit(text) }
}
