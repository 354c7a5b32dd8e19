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
        guard multiplier.numerator > 0 else { return "taken out: its multiplier is 0" }
        guard route.parts > 0 else { return "not reached: \(route.problem ?? "it has no gateways")" }
        let active = pods.filter(\.isActive)
        guard !active.isEmpty else { return "none of \(pods.count) pods is healthy" }
        var reason = "\(active.count) of \(pods.count) pods"
        reason += self.active == .healthy ? " healthy" : " served, though unhealthy: no pod of the service is healthy"
        if isCapped, let most = cluster.maxShare {
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
        if multiplier.numerator == 0 { return "its cluster is taken out" }
        if entry.pod.health != active { return "\(entry.pod.health.rawValue): gets nothing new" }
        return entry.pod.weight == .one ? nil : "weight \(entry.pod.weight.value)"
    }
}
