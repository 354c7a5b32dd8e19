/// How often a source's failures are logged: three at once, and one more each minute; and each return that follows a logged
/// failure.
struct SourceVoice {
    /// What becomes of a report.
    enum Verdict: Hashable {
        /// It is logged.
        case says
        /// It is logged that the source is back, and then the report.
        case isBack
        /// Nothing is logged.
        case silent
    }

    private var bucket = TokenBucket(burst: 3, perMinute: 1)
    /// Whether the last that was logged is a failure.
    private var isToldBad = false

    /// - Parameter isFailure: whether the report is of one.
    mutating func next(
        isFailure: Bool, _ outcome: ReportOutcome, at now: ContinuousClock.Instant = .now
    ) -> Verdict {
        bucket.fill(at: now)
        guard isFailure else {
            guard isToldBad, !outcome.isStale else { return outcome.isNews ? .says : .silent }
            isToldBad = false
            return .isBack
        }
        // A failure that was not logged, since there were many, is logged later if it lasts.
        guard outcome.isNews || !isToldBad, outcome.isStale, bucket.take() else { return .silent }
        isToldBad = true
        return .says
    }
}
