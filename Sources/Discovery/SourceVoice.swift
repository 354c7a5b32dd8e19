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

    private static let burst = 3.0
    private static let interval = Duration.seconds(60)

    private var tokens = Self.burst
    private var updated: ContinuousClock.Instant?
    /// Whether the last that was logged is a failure.
    private var isToldBad = false

    /// - Parameter isFailure: whether the report is of one.
    mutating func next(
        isFailure: Bool, _ outcome: ReportOutcome, at now: ContinuousClock.Instant = .now
    ) -> Verdict {
        if let updated { tokens = min(Self.burst, tokens + (now - updated) / Self.interval) }
        updated = now
        guard isFailure else {
            guard isToldBad, !outcome.isStale else { return outcome.isNews ? .says : .silent }
            isToldBad = false
            return .isBack
        }
        // A failure that was not logged, since there were many, is logged later if it lasts.
        guard outcome.isNews || !isToldBad, outcome.isStale, tokens >= 1 else { return .silent }
        tokens -= 1
        isToldBad = true
        return .says
    }
}
