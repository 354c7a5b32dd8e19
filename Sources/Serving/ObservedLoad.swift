import EnvoyAPI
public import Model
public import Snapshots

/// The target of requests in a load report.
public enum ObservedTarget: Hashable, Sendable {
    /// The service as a whole.
    case service
    /// A cluster's part of the service.
    case cluster(ClusterName)
    /// A locality's part of the service.
    case locality(Locality)
    /// One pod, if the client distinguishes pods.
    case pod(ClusterName, String)
    /// A gateway's address, if the client doesn't distinguish the pods behind it.
    case gateway(ClusterName, SocketAddress)
}

/// The sums of many load reports.
public struct Tally: Hashable, Sendable {
    /// Requests started.
    public private(set) var issued: UInt64 = 0
    /// Requests failed.
    public private(set) var errors: UInt64 = 0
    /// Requests succeeded.
    public private(set) var successes: UInt64 = 0
    /// Requests completed.
    public var ended: UInt64 { successes.addingSaturated(errors) }
    /// Requests that clients dropped instead of sending.
    public private(set) var dropped: UInt64 = 0
    /// The number of requests in progress times the seconds of each report's interval.
    private var busy = 0.0
    /// Sums of the metrics that the targets reported themselves (ORCA), by name.
    private var metrics: [String: Sum] = [:]

    private struct Sum: Hashable {
        var count = 0.0
        var total = 0.0

        static func + (left: Sum, right: Sum) -> Sum {
            // JSON has no infinity.
            let most = Double.greatestFiniteMagnitude
            return Sum(
                count: left.count + right.count, total: min(max(left.total + right.total, -most), most))
        }
    }

    /// The maximum number of metrics for each target.
    private static let maxMetrics = 16
    /// The maximum length of a metric's name, in bytes; metrics with longer names are ignored.
    private static let longestMetric = 128

    /// The estimated mean time of a request, in seconds; nil if none completed.
    ///
    /// Load reports contain no latency. By Little's law it is the mean number of requests in progress, divided by the
    /// requests completed per second. Requests in progress are sampled at each report, so the estimate needs many
    /// reports to settle.
    public var latency: Double? { ended > 0 ? busy / Double(ended) : nil }

    /// The mean of each metric that the targets reported.
    public var means: [String: Double] { metrics.mapValues { $0.count > 0 ? $0.total / $0.count : 0 } }

    /// Adds the numbers of a report that covers `interval`.
    mutating func add(_ load: LoadReport.Load, over interval: Duration) {
        issued = issued.addingSaturated(load.issued)
        errors = errors.addingSaturated(load.errors)
        successes = successes.addingSaturated(load.successes)
        busy += Double(load.inProgress) * (interval / .seconds(1))
        for metric in load.metrics where metric.total.isFinite && metric.name.utf8.count <= Self.longestMetric {
            guard metrics[metric.name] != nil || metrics.count < Self.maxMetrics else { continue }
            metrics[metric.name] =
                (metrics[metric.name] ?? Sum()) + Sum(count: Double(metric.count), total: metric.total)
        }
    }

    mutating func drop(_ count: UInt64) { dropped = dropped.addingSaturated(count) }

    /// The sums of both.
    public static func + (left: Tally, right: Tally) -> Tally {
        var sum = left
        sum.issued = left.issued.addingSaturated(right.issued)
        sum.errors = left.errors.addingSaturated(right.errors)
        sum.successes = left.successes.addingSaturated(right.successes)
        sum.dropped = left.dropped.addingSaturated(right.dropped)
        sum.busy += right.busy
        for (name, metric) in right.metrics where sum.metrics[name] != nil || sum.metrics.count < maxMetrics {
            sum.metrics[name] = (sum.metrics[name] ?? Sum()) + metric
        }
        return sum
    }
}

/// What the clients of one view reported about one service.
public struct ObservedLoad: Sendable {
    /// The length of the observation window.
    public var window: Duration
    /// The number of reports in the window.
    public var reports = 0
    /// The sums for each target.
    public var targets: [ObservedTarget: Tally] = [:]

    /// The failed requests by the ID of the node that reported them; of the first nodes only.
    public var errors: [String: UInt64] = [:]

    /// Creates a load without reports.
    public init(
        window: Duration, reports: Int = 0, targets: [ObservedTarget: Tally] = [:], errors: [String: UInt64] = [:]
    ) {
        self.errors = errors
        self.window = window
        self.reports = reports
        self.targets = targets
    }

    /// The sums of all views for each service; gateways, which pass on requests of clients, don't count.
    public static func total(
        _ observations: [ClientView: [ServiceName: ObservedLoad]], of views: Set<ClusterName>? = nil
    ) -> [ServiceName: ObservedLoad] {
        observations.filter { $0.key.kind != .gateway && views?.contains($0.key.cluster) != false }
            .values.reduce(into: [:]) { total, services in
                total.merge(services) { first, second in
                    var sum = first
                    sum.reports += second.reports
                    sum.targets.merge(second.targets) { $0 + $1 }
                    sum.errors.merge(second.errors) { $0 &+ $1 }
                    return sum
                }
            }
    }

    /// A sentence about failed requests to a target; nil unless most of enough requests failed.
    ///
    /// - Parameter place: the target, in words.
    public func failure(of target: ObservedTarget, place: String) -> String? {
        guard fails(target), let tally = targets[target] else { return nil }
        let percent = Int((100 * Double(tally.errors) / Double(tally.ended)).rounded())
        let seconds = Int((window / .seconds(1)).rounded())
        return "\(percent) % of the requests to \(place) failed in the last \(seconds) s"
    }

    /// Whether most requests to a target failed, of at least 20 that completed.
    public func fails(_ target: ObservedTarget) -> Bool {
        guard let tally = targets[target] else { return false }
        return tally.ended >= 20 && tally.errors > tally.successes
    }

    /// The target's share of the service's requests, 0 to 1; nil if there were none.
    public func share(of target: ObservedTarget) -> Double? {
        guard let total = targets[.service]?.issued, total > 0 else { return nil }
        return Double(targets[target]?.issued ?? 0) / Double(total)
    }
}

extension UInt64 {
    fileprivate func addingSaturated(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
