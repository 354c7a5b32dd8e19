import ArgumentParser
import Overrides

/// The conditions that stop an override by themselves.
struct AbortOptions: ParsableArguments {
    enum Action: String, ExpressibleByArgument, CaseIterable {
        case revert = "Revert"
        case pause = "Pause"
    }

    @Option(
        help: ArgumentHelp(
            """
            Stop by itself if clients report: errors=1% (above), errors=x2 or latency=x1.5 (times the five minutes before), \
            or METRIC=0.9 (a metric that pods report). May be repeated.
            """, valueName: "limit"))
    var abortOn: [String] = []

    @Option(help: "What happens then: Revert or Pause.")
    var abortAction = Action.revert

    @Option(help: "The fewest requests that a judgement needs; 200 by default.")
    var abortRequests: Int?

    @Flag(help: "Go on without load reports; otherwise the ramp pauses.")
    var ignoreMissingData = false

    func validate() throws {
        guard !abortOn.isEmpty || abortAction == .revert && abortRequests == nil && !ignoreMissingData else {
            throw ValidationError("--abort-action, --abort-requests and --ignore-missing-data are for --abort-on")
        }
        _ = try conditions
    }

    /// Swift's own parser also takes `nan` and `inf`.
    private static func number(_ text: Substring) -> Double? {
        text.wholeMatch(of: /[0-9]{1,9}(\.[0-9]{1,6})?/).flatMap { Double($0.0) }
    }

    /// The conditions; nil for none.
    var conditions: AbortConditions? {
        get throws {
            guard !abortOn.isEmpty else { return nil }
            var conditions = AbortConditions(requests: abortRequests)
            if abortAction == .pause { conditions.action = .pause }
            if ignoreMissingData { conditions.noData = .ignore }
            for limit in abortOn {
                let parts = limit.split(separator: "=", maxSplits: 1).map(String.init)
                let value = parts.count == 2 ? parts[1] : ""
                let times = value.hasPrefix("x") ? Self.number(value.dropFirst()) : nil
                switch parts.first {
                case "errors" where times != nil:
                    conditions.errors = conditions.errors ?? AbortConditions.Errors()
                    conditions.errors?.times = times
                case "errors" where AbortConditions.rate(value) != nil:
                    conditions.errors = conditions.errors ?? AbortConditions.Errors()
                    conditions.errors?.above = value
                case "latency" where times != nil: conditions.latency = times.map(AbortConditions.Latency.init(times:))
                case let metric? where metric != "errors" && metric != "latency" && Self.number(value[...]) != nil:
                    conditions.metrics = (conditions.metrics ?? [:]).merging([metric: Self.number(value[...]) ?? 0]) {
                        $1
                    }
                default:
                    throw ValidationError(
                        "--abort-on \(limit): should be such as errors=1%, errors=x2, latency=x1.5 or cpu_utilization=0.9"
                    )
                }
            }
            return conditions
        }
    }
}
