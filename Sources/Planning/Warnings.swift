import AdminAPI
import Balancing
import Foundation
import Model
import Overrides
import Serving
import Snapshots

extension Planner {
    /// What to know before the override is created.
    func warnings(
        _ spec: OverrideSpec, _ comparison: Comparison, _ steps: [[String: Double]], _ others: [Override],
        _ service: ServiceName
    ) -> [PlanPage.Warning] {
        var found = Findings()
        found.noteLoad(comparison)
        found.noteSteps(spec, comparison, steps)
        found.noteEnvoy(comparison)
        found.noteReach(comparison, premises, service)
        for limit in comparison.after.limited { found.add("limited", "\(limit.cluster): \(limit.sentence)") }
        if let target = spec.drain ?? spec.multiplier?.target, target.zone != nil || target.pod != nil {
            let pods = comparison.afterShares.filter { $0.cluster.rawValue == target.cluster }.flatMap(\.pods)
            if !pods.contains(where: { target.pod == nil ? $0.locality.zone == target.zone : $0.name == target.pod }) {
                found.add(
                    "absent", "\(target.cluster) has no pod of \(target.pod ?? target.zone ?? "") now: nothing changes")
            }
        }
        for part in (spec.shares ?? [:]).keys.sorted().map(OverrideSpec.part) {
            guard let zone = part.zone else { continue }
            let pods = comparison.afterShares.first { $0.cluster == part.cluster }?.pods ?? []
            if !pods.contains(where: { $0.locality.zone == zone }) {
                found.add("absent", "\(part.cluster) has no pod in zone \(zone) now: the other parts share everything")
            }
        }
        for other in others where spec.shares != nil && other.spec.shares != nil {
            found.add("superseded", "it counts over the shares of override \(other.id)")
        }
        if spec.shares != nil, others.contains(where: { $0.spec.drain != nil || $0.spec.multiplier != nil }) {
            found.add("offset", "drains or multipliers of other overrides change what the shares divide")
        }
        let rejecting = premises.deliveries.values.joined().filter { $0.state == .nacked }
        if let first = rejecting.first {
            found.add(
                "refused",
                "\(first.node)\(rejecting.count > 1 ? " and \(rejecting.count - 1) more" : "") reject the service's endpoints and won't follow"
            )
        }
        return found.warnings
    }
}

/// Collects warnings.
private struct Findings {
    var warnings: [PlanPage.Warning] = []

    mutating func add(_ code: String, _ says: String) { warnings.append(PlanPage.Warning(code: code, says: says)) }

    mutating func noteLoad(_ comparison: Comparison) {
        let hot = comparison.clusters.flatMap { cluster in
            cluster.pods.filter { ($0.times ?? 0) > 1.5 || ($0.ofProved ?? 0) > 1 && $0.after > $0.before }.map {
                ("\(cluster.cluster)/\($0.pod)", $0)
            }
        }
        if let most = hot.max(by: { ($0.1.times ?? 0) < ($1.1.times ?? 0) }) {
            let names = hot.prefix(5).map(\.0).joined(separator: ", ")
            let more = hot.count > 5 ? " and \(hot.count - 5) more" : ""
            let times = most.1.times.map { "up to \(decimal($0)) times what they get now" } ?? "more than now"
            let proved = hot.compactMap(\.1.ofProved).max().map {
                ", \(Int(($0 * 100).rounded())) % of what such pods have carried"
            }
            add("hot", "\(names)\(more) get \(times)\(proved ?? "")")
        }
        if comparison.basis.reports == 0 {
            add("no-data", "no client reported its load to this service in the last 30 s")
        } else if comparison.proved.isEmpty {
            add(
                "unproved",
                "what pods can carry is not known yet: no pod carried requests for a while with under 1 % errors")
        }
        let active = comparison.afterShares.filter { $0.share > 0 }
        for share in active where share.pods.count(where: { $0.weight > 0 }) == 1 && share.share > 0.25 {
            add("thin", "one pod of \(share.cluster) gets \(decimal(percent(share.share))) %")
        }
    }

    mutating func noteSteps(_ spec: OverrideSpec, _ comparison: Comparison, _ steps: [[String: Double]]) {
        let jump = comparison.largestStep(steps)
        if jump > 25 { add("jump", "\(decimal(jump)) points move at once; a ramp moves them in steps") }
        let back = comparison.clusters.map { abs($0.after - $0.before) }.max() ?? 0
        if spec.ramp != nil, spec.restore == nil, spec.permanent != true, back > 25 {
            add("return", "the way back moves \(decimal(back)) points at once; `restore` does it in steps")
        }
    }

    mutating func noteEnvoy(_ comparison: Comparison) {
        let usual = EnvoyLoad(comparison.after.localities, settings: EnvoyLoad.Settings(panicThreshold: 50))
        if !usual.panics.isEmpty {
            add(
                "panic",
                "Envoys with the usual panic threshold of 50 % send to all pods, drained ones included; Envoy clusters from Ballast have 0"
            )
        }
        if usual.priorities.contains(where: { $0.key > 0 && $0.value > 0 }) {
            add("spill", "a part of the traffic leaves priority 0")
        }
    }

    mutating func noteReach(_ comparison: Comparison, _ premises: Premises, _ service: ServiceName) {
        let changed = Set(comparison.clusters.filter { $0.before != $0.after }.map(\.cluster))
        for share in comparison.afterShares where changed.contains(share.cluster.rawValue) && share.split != nil {
            let kind = premises.builder.meshClusters.first { $0.name == share.cluster }?.reach.kind
            switch kind {
            case .lanes: add("approximate", "\(share.cluster) is reached in lanes: its pods' shares are approximate")
            case .gateway:
                add("pinned", "\(share.cluster) is reached by gateway addresses: open connections keep their pods")
            case .pods, .connect, .hbone, nil: break
            }
        }
        if let policy = premises.builder.service(service)?.client.policy {
            switch policy {
            case .roundRobin: break
            default: add("approximate", "the service's Envoy policy follows weights only roughly")
            }
        }
        for cluster in premises.held.sorted() {
            add("held", "pods of \(cluster) are held: its source doesn't list them")
        }
        for cluster in premises.stale.sorted() {
            add("stale", "the source of \(cluster) is stale: its pods may have changed")
        }
    }
}

extension Comparison {
    /// The largest change of a share in one step, in points.
    func largestStep(_ steps: [[String: Double]]) -> Double {
        var last = Dictionary(clusters.map { ($0.cluster, $0.before) }, uniquingKeysWith: { first, _ in first })
        var largest = 0.0
        for step in steps {
            for (cluster, share) in step { largest = max(largest, abs(share - (last[cluster] ?? 0))) }
            last = step
        }
        return largest
    }
}
