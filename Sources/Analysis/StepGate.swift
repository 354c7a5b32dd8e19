public import Model
public import Serving

/// Decides whether a ramp may take its next step.
///
/// A step has to have arrived everywhere before the next one: otherwise one more step would test something that nobody
/// has.
public enum StepGate {
    /// Why the next step has to wait; nil if it needn't.
    public static func obstacle(_ deliveries: [Delivery]) -> String? {
        let total = deliveries.count
        if let rejecting = deliveries.first(where: { $0.state == .nacked }) {
            let message = rejecting.message.map { ": \"\($0.prefix(120))\"" } ?? ""
            return "\(rejecting.node) rejects the endpoints\(message)"
        }
        let missing = deliveries.filter { $0.state != .synced }
        guard let first = missing.first else { return nil }
        return
            "\(total - missing.count) of \(total) clients have the last step; \(first.node) is \(first.state.rawValue)"
    }

    /// Why the observed shares don't fit the intended ones; nil if they do, or if nothing was reported.
    ///
    /// They fit within 3 points, or within the noise of the number of requests.
    public static func deviation(
        intended: [ClusterName: Double], observed: [ClusterName: UInt64]
    ) -> String? {
        let total = observed.values.reduce(0.0) { $0 + Double($1) }
        guard total > 0 else { return nil }
        for (cluster, share) in intended.sorted(by: { $0.key < $1.key }) {
            let found = Double(observed[cluster] ?? 0) / total
            let noise = 3 * (share * (1 - share) / total).squareRoot()
            guard abs(found - share) > max(0.03, noise) else { continue }
            let (got, wanted) = (Int((found * 100).rounded()), Int((share * 100).rounded()))
            return "\(cluster) gets \(got) % of the requests instead of \(wanted) %"
        }
        return nil
    }
}
