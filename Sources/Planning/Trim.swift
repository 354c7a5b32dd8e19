public import AdminAPI
import Balancing
public import Model
import Overrides
import Serving
import Snapshots

/// Suggests multipliers that even out the utilisation that pods report (ORCA, in clients' load reports).
///
/// A cluster's factor is `(mean utilisation / its utilisation) ^ 0.5`, at least 0.8 and at most 1.25. The root damps it,
/// since load and utilisation are rarely proportional. Nothing is suggested within 5 % of the mean, and never more than
/// 0.5 to 2 times the configuration with all overrides together.
public struct Trim {
    /// The metrics that count as utilisation, the best first.
    private static let metrics = ["application_utilization", "cpu_utilization"]

    /// What was found.
    public let page: TrimPage

    /// Computes the suggestions for a service.
    public init(_ premises: Premises, _ service: ServiceName) {
        let load = premises.observed[service]
        var found: [ClusterName: [String: Double]] = [:]
        for (target, tally) in load?.targets ?? [:] {
            if case .cluster(let cluster) = target, !tally.means.isEmpty { found[cluster] = tally.means }
        }
        // Envoy reports 0 for a metric that a pod doesn't send along with others.
        let metric = Self.metrics.first { name in found.values.contains { ($0[name] ?? 0) > 0 } }
        let values = found.compactMapValues { means in metric.flatMap { means[$0] } }.filter { $0.value > 0 }
        guard let metric, values.count > 1 else {
            page = TrimPage(
                service: service.rawValue, suggestions: [],
                says: metric == nil
                    ? "no pod reports its utilisation: pods have to send ORCA's \(Self.metrics.joined(separator: " or ")), and clients to report it"
                    : "only one cluster's pods report \(metric ?? "their utilisation"): there is nothing to compare")
            return
        }
        // Pods with more requests count more: the mean is that of the requests.
        let requests = values.keys.map { ($0, Double(load?.targets[.cluster($0)]?.ended ?? 0)) }
        let total = requests.reduce(0) { $0 + $1.1 }
        let mean = total > 0 ? requests.reduce(0) { $0 + (values[$1.0] ?? 0) * $1.1 } / total : 0
        let tuning = Tunings(premises.book, at: premises.now).tuning(
            of: service, for: premises.builder.ownCluster, isGateway: false)
        let suggestions = values.sorted { $0.key < $1.key }.compactMap { cluster, value -> TrimPage.Suggestion? in
            guard mean > 0, abs(value / mean - 1) > 0.05 else { return nil }
            let inForce = tuning.multipliers.reduce(1.0) { product, multiplier in
                multiplier.target == .cluster(cluster) ? product * Double(multiplier.millionths) / 1e6 : product
            }
            let wanted = min(max((mean / value).squareRoot(), 0.8), 1.25)
            let factor = min(max(wanted * inForce, 0.5), 2) / inForce
            guard abs(factor - 1) > 0.005 else { return nil }
            return TrimPage.Suggestion(
                cluster: cluster.rawValue, utilization: (value * 1_000).rounded() / 1_000, by: decimal(factor))
        }
        let shares = tuning.shares.isEmpty ? "" : "; shares are set, which count over multipliers"
        page = TrimPage(
            service: service.rawValue, metric: metric, mean: (mean * 1_000).rounded() / 1_000, suggestions: suggestions,
            says: suggestions.isEmpty
                ? "every cluster is within 5 % of the mean, or at its limit\(shares)"
                : "\(suggestions.count) clusters are off by more than 5 %\(shares)")
    }
}
