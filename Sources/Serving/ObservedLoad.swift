import EnvoyAPI
public import Model

/// What requests were sent to.
public enum ObservedTarget: Hashable, Sendable {
    /// The service as a whole.
    case service
    /// A cluster's part of it.
    case cluster(ClusterName)
    /// A locality's part of it.
    case locality(Locality)
    /// One pod, where the client tells pods apart.
    case pod(ClusterName, String)
    /// A gateway's address, where the client doesn't: whatever went through it.
    case gateway(ClusterName, SocketAddress)
}

/// Requests of many reports, added up.
public struct Tally: Hashable, Sendable {
    /// Requests that were begun.
    public private(set) var issued: UInt64 = 0
    /// Requests that ended badly.
    public private(set) var errors: UInt64 = 0
    /// Requests that ended well.
    public private(set) var successes: UInt64 = 0
    /// Requests that ended.
    public var ended: UInt64 { successes.addingSaturated(errors) }
    /// Requests that clients dropped instead of sending them.
    public private(set) var dropped: UInt64 = 0
    /// Requests under way times the seconds that they were.
    private var busy = 0.0
    /// Sums of what the targets reported themselves, by name.
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

    /// Kinds of metrics that one target may have.
    private static let mostMetrics = 16
    /// The longest name of a metric that is kept, in bytes.
    private static let longestMetric = 128

    /// The mean time that a request took, in seconds; nil where none ended.
    ///
    /// Load reports have no latency. By Little's law it is the mean number of requests under way, divided by the requests
    /// that end in a second; the mean is taken over the moments of the reports, so that it is an estimate that settles
    /// with many.
    public var latency: Double? { ended > 0 ? busy / Double(ended) : nil }

    /// The mean of each metric that the targets reported.
    public var means: [String: Double] { metrics.mapValues { $0.count > 0 ? $0.total / $0.count : 0 } }

    /// Adds a report's numbers; `interval` is what it covers.
    mutating func add(_ load: LoadReport.Load, over interval: Duration) {
        issued = issued.addingSaturated(load.issued)
        errors = errors.addingSaturated(load.errors)
        successes = successes.addingSaturated(load.successes)
        busy += Double(load.inProgress) * (interval / .seconds(1))
        for metric in load.metrics where metric.total.isFinite && metric.name.utf8.count <= Self.longestMetric {
            guard metrics[metric.name] != nil || metrics.count < Self.mostMetrics else { continue }
            metrics[metric.name] =
                (metrics[metric.name] ?? Sum()) + Sum(count: Double(metric.count), total: metric.total)
        }
    }

    mutating func drop(_ count: UInt64) { dropped = dropped.addingSaturated(count) }

    static func + (left: Tally, right: Tally) -> Tally {
        var sum = left
        sum.issued = left.issued.addingSaturated(right.issued)
        sum.errors = left.errors.addingSaturated(right.errors)
        sum.successes = left.successes.addingSaturated(right.successes)
        sum.dropped = left.dropped.addingSaturated(right.dropped)
        sum.busy += right.busy
        for (name, metric) in right.metrics where sum.metrics[name] != nil || sum.metrics.count < mostMetrics {
            sum.metrics[name] = (sum.metrics[name] ?? Sum()) + metric
        }
        return sum
    }
}

/// What was observed of one service, by one view's clients.
public struct ObservedLoad: Sendable {
    /// How far back it reaches.
    public var window: Duration
    /// How many reports it is made of.
    public var reports = 0
    /// What went where.
    public var targets: [ObservedTarget: Tally] = [:]

    /// What part of the requests to a target failed, for people; nil unless most did.
    ///
    /// - Parameter place: the target, for people.
    public func failure(of target: ObservedTarget, place: String) -> String? {
        guard fails(target), let tally = targets[target] else { return nil }
        let percent = Int((100 * Double(tally.errors) / Double(tally.ended)).rounded())
        let seconds = Int((window / .seconds(1)).rounded())
        return "\(percent) % of the requests to \(place) failed in the last \(seconds) s"
    }

    /// Whether most requests to a target failed, of enough to say so.
    public func fails(_ target: ObservedTarget) -> Bool {
        guard let tally = targets[target] else { return false }
        return tally.ended >= 20 && tally.errors > tally.successes
    }

    /// The part of the requests that went to a target, 0 to 1; nil where there were none at all.
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
