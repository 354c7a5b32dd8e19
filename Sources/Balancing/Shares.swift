import Model

extension [Member] {
    /// The intended share of each cluster and pod with the reason, ordered by cluster name.
    func shares() -> [ClusterShare] {
        // Numbered as in `Placement`.
        let used = Set(filter(\.hasEndpoints).map(\.priority)).sorted()
        let priorities = Dictionary(uniqueKeysWithValues: zip(used, UInt32(0)...))
        // Traffic goes to the first priority that can take it; a priority without active pods is skipped.
        let first = filter { $0.weight > 0 }.map(\.priority).min()
        let total = reduce(0.0) { $0 + ($1.priority == first ? Double($1.weight) : 0) }
        return map { member in
            let share = { (weight: UInt64) in
                member.priority == first && total > 0 ? Double(weight) / total : 0
            }
            return ClusterShare(
                cluster: member.cluster.name,
                share: share(member.weight),
                weight: member.weight,
                multiplier: member.multiplier,
                split: member.route.sendsPods ? nil : member.route.parts,
                priority: member.weight > 0 ? priorities[member.priority] : nil,
                reason: member.reason(isFirst: member.priority == first),
                problem: member.shownProblem,
                pods: member.pods.sorted { $0.pod.name < $1.pod.name }.map { entry in
                    ClusterShare.PodShare(
                        name: entry.pod.name, share: share(UInt64(entry.weight)), health: entry.pod.health,
                        address: entry.pod.address, locality: member.locality(of: entry.pod),
                        ownWeight: entry.pod.weight, weight: entry.weight,
                        note: member.note(on: entry)
                    )
                }
            )
        }.sorted { $0.cluster < $1.cluster }
    }
}

extension Member {
    fileprivate func reason(isFirst: Bool) -> String {
        guard !pods.isEmpty else { return "no pods" }
        guard route.parts > 0 else { return "not reached: \(route.problem ?? "it has no gateways")" }
        let active = pods.filter(\.isActive)
        guard !active.isEmpty else {
            if multiplier.numerator == 0 { return "drained: its multiplier is 0" }
            if let share, share.share == 0 { return "drained: \(share.origin ?? "an override") sets its share to 0 %" }
            if pods.contains(where: \.isDrained) { return "drained by an override" }
            return "none of \(pods.count) pods is healthy"
        }
        var reason = "\(active.count) of \(pods.count) pods"
        reason += self.active == .healthy ? " healthy" : " served, though unhealthy: no pod of the service is healthy"
        if keepsTraffic { reason += ", not drained, since no other pod of the service is healthy" }
        let drained = pods.count(where: \.isDrained)
        if drained > 0 { reason += ", \(drained) drained by an override" }
        if let share {
            let set = "\(decimal((share.wanted ?? share.share) * 100)) %"
            reason += share.origin.map { ", share set to \(set) by \($0)" } ?? ", gets the \(set) that set shares leave"
            if share.wanted != nil { reason += ", held to \(decimal(share.share * 100)) % by its limit" }
        } else if isCapped, let most = cluster.maxShare {
            reason += ", held to \(most) of the traffic (maxShare)"
        } else if multiplier != .one {
            reason += ", multiplier \(multiplier)"
        }
        reason += ", \(route.description)"
        if !isFirst { reason += "; takes over as priority 0 fails" }
        return reason
    }

    fileprivate func note(on entry: Entry) -> String? {
        if let owner = entry.duplicateOf { return "the same address as a pod of cluster \(owner): counted there" }
        if entry.isDrained {
            return multiplier.numerator == 0 ? "its cluster's multiplier is 0" : "drained by an override"
        }
        if entry.health != active { return "\(entry.health.rawValue): gets nothing new" }
        guard entry.millionths == 1_000_000 else {
            return "weight \(entry.pod.weight.value) x \(Double(entry.millionths) / 1e6) by overrides"
        }
        return entry.pod.weight == .one ? nil : "weight \(entry.pod.weight.value)"
    }
}

extension Member.Entry {
    /// Whether the pod is healthy, but gets nothing new because of a drain.
    var isDrained: Bool { health == .draining && pod.health == .healthy }
}
