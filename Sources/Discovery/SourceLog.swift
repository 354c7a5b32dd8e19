import Pacing

/// Which of a source's reports are logged: three failures at once, and one more each minute; each return that follows a
/// logged failure; and of the rest what is new.
struct SourceLog {
    /// What becomes of a report.
    enum Verdict: Hashable {
        /// It is logged.
        case logged
        /// It is logged that the source is back, and then the report.
        case isBack
        /// Nothing is logged.
        case suppressed
    }

    private var failures = TokenBucket(burst: 3, perMinute: 1)
    private var lines = LinePace(perMinute: 10)
    /// Whether the last report that was logged is a failure.
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
        // A failure that was suppressed, since there were many, is logged later if it lasts.
        guard outcome.isNews || !isFailing, outcome.isStale, failures.take() else { return .suppressed }
        isFailing = true
        return .logged
    }

    /// A line about gateways or problems as it is to be logged now; nil if there were too many.
    mutating func line(_ text: String) -> String? { lines.take(text) }
}
