/// What stops an override by itself.
///
/// At least one of `errors`, `latency` and `metrics` is set. Each Ballast judges by the load reports of its own clients.
public struct AbortConditions: Codable, Hashable, Sendable {
    /// A limit on failed requests.
    public struct Errors: Codable, Hashable, Sendable {
        /// The highest error rate, such as `1%`; nil for none.
        public var above: String?
        /// How many times the error rate of the five minutes before the start; nil for no such limit.
        public var times: Double?

        /// Creates a limit.
        public init(above: String? = nil, times: Double? = nil) {
            self.above = above
            self.times = times
        }
    }

    /// A limit on the mean latency.
    public struct Latency: Codable, Hashable, Sendable {
        /// How many times the mean latency of the five minutes before the start.
        public var times: Double

        /// Creates a limit.
        public init(times: Double) { self.times = times }
    }

    /// What to do where the load reports don't suffice.
    public enum MissingData: String, Codable, Hashable, Sendable, CaseIterable {
        /// The ramp pauses before its next step.
        case pause = "Pause"
        /// The ramp goes on.
        case ignore = "Ignore"
    }

    /// The limit on failed requests.
    public var errors: Errors?
    /// The limit on the mean latency.
    public var latency: Latency?
    /// The highest mean of each metric that pods report (ORCA), by name.
    public var metrics: [String: Double]?
    /// The fewest requests that a judgement needs; 200 if nil.
    public var requests: Int?
    /// What happens: `Revert`, which is the default, or `Pause`.
    public var action: Override.Transition.Kind?
    /// What to do without enough load reports; `Pause` if nil.
    public var noData: MissingData?

    /// Creates conditions; at least one limit has to be set.
    public init(
        errors: Errors? = nil, latency: Latency? = nil, metrics: [String: Double]? = nil, requests: Int? = nil,
        action: Override.Transition.Kind? = nil, noData: MissingData? = nil
    ) {
        self.errors = errors
        self.latency = latency
        self.metrics = metrics
        self.requests = requests
        self.action = action
        self.noData = noData
    }

    /// The fewest requests that a judgement needs.
    public var fewest: UInt64 { UInt64(max(requests ?? 200, 1)) }

    /// The highest error rate, 0 to 1; nil for no such limit.
    public var highestErrorRate: Double? { errors?.above.flatMap(Self.rate) }

    /// Parses a percentage with up to two decimals as a number from 0 to 1.
    public static func rate(_ text: String) -> Double? {
        guard text.wholeMatch(of: /[0-9]{1,3}(\.[0-9]{1,2})?%/) != nil, let percent = Double(text.dropLast()),
            percent <= 100
        else { return nil }
        return percent / 100
    }

    /// The fields that can't be used, with pointers below `/abort`.
    var problems: [FieldProblem] {
        var problems: [FieldProblem] = []
        if errors == nil, latency == nil, metrics?.isEmpty ?? true {
            problems.append(FieldProblem("/abort", "should have a limit: `errors`, `latency` or `metrics`"))
        }
        if let errors, errors.above == nil, errors.times == nil {
            problems.append(FieldProblem("/abort/errors", "should have `above`, `times` or both"))
        }
        if let above = errors?.above, Self.rate(above) == nil {
            problems.append(FieldProblem("/abort/errors/above", "should be a percentage such as 1% or 0.25%"))
        }
        for (field, times) in [("/abort/errors/times", errors?.times), ("/abort/latency/times", latency?.times)] {
            if let times, !(1...1_000).contains(times) {
                problems.append(FieldProblem(field, "should be a number from 1 to 1000"))
            }
        }
        if let metrics, metrics.count > 16 || metrics.contains(where: { $0.key.count > 128 || !$0.value.isFinite }) {
            problems.append(FieldProblem("/abort/metrics", "should have at most 16 names of at most 128 characters"))
        }
        if let requests, !(20...1_000_000).contains(requests) {
            problems.append(FieldProblem("/abort/requests", "should be 20 to 1000000"))
        }
        if action == .resume { problems.append(FieldProblem("/abort/action", "should be Revert or Pause")) }
        return problems
    }
}
