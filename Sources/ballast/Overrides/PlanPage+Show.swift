import Model
import AdminAPI

extension PlanPage {
    /// Prints the plan.
    func show() {
        print(summary)
        print("\(service), for clients of \(view)")
        let hasLoad = basis.rps != nil
        let hasProved = clusters.contains { $0.pods.contains { $0.ofProved != nil } }
        var rows = [["CLUSTER", "POD", "NOW"] + (hasLoad ? ["REQ/S"] : []) + ["AFTER"] + (hasLoad ? ["REQ/S"] : [])]
        rows[0] += ["TIMES"] + (hasProved ? ["OF PROVED"] : [])
        for cluster in clusters {
            rows.append(row(cluster.cluster, "", cluster.before, cluster.after, cluster.rps, nil, nil, hasLoad))
            for pod in cluster.pods.prefix(10) {
                rows.append(row("", pod.pod, pod.before, pod.after, pod.rps, pod.times, pod.ofProved, hasLoad))
            }
            let more = cluster.pods.count + (cluster.omitted ?? 0) - 10
            if more > 0 { rows.append(["", "and \(more) more"]) }
        }
        printTable(rows)
        if steps.count > 1 {
            for cluster in clusters where cluster.before != cluster.after {
                let list = steps.compactMap { $0[cluster.cluster].map(decimal) }.joined(separator: " ")
                print("Steps      \(cluster.cluster): \(list) %")
            }
        }
        for warning in warnings {
            print("! \(warning.code)\(String(repeating: " ", count: max(1, 9 - warning.code.count)))\(warning.says)")
        }
        if let failure = nextFailure.first { print("! next     \(words(failure))") }
        print("Push       \(push.clients) \(push.clients == 1 ? "client" : "clients"), \(push.bytes) bytes a step")
        for rule in rules where !rule.kept { print("Rule       \(rule.name) is broken: \(rule.says ?? "")") }
        if !rules.isEmpty, allowed { print("Rules      \(rules.map(\.name).joined(separator: ", ")) kept") }
    }

    private func row(
        _ cluster: String, _ pod: String, _ before: Double, _ after: Double, _ rps: [Double]?, _ times: Double?,
        _ proved: Double?, _ hasLoad: Bool
    ) -> [String] {
        let loads = (0..<2).map { index in hasLoad ? [rps.map { "\(decimal($0[index]))/s" } ?? ""] : [] }
        return [cluster, pod, "\(decimal(before)) %"] + loads[0] + ["\(decimal(after)) %"] + loads[1]
            + [times.map(decimal) ?? ""] + (proved.map { ["\(Int(($0 * 100).rounded())) %"] } ?? [])
    }

    private func words(_ failure: Failure) -> String {
        let more = basis.assumed == nil ? "" : " as well"
        guard let hottest = failure.hottest else { return "if \(failure.lost) fails\(more), no pod is left" }
        let rps = failure.rps.map { "\(decimal($0))/s, " } ?? ""
        let times = failure.times.map { "\(decimal($0)) times what it gets now" } ?? "which gets nothing now"
        let proved = failure.ofProved.map { ", \(Int(($0 * 100).rounded())) % of what such pods have carried" } ?? ""
        return "if \(failure.lost) fails\(more), \(hottest) gets \(rps)\(times)\(proved)"
    }
}
