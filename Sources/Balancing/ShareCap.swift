import Model

extension [Member] {
    /// Reduces the multipliers of clusters that would exceed their `maxShare`.
    ///
    /// The other clusters take the excess in proportion. If there is no other cluster, the capped one takes everything:
    /// a cap is no reason to fail requests.
    mutating func capShares() {
        for priority in Set(map(\.priority)) where contains(where: { $0.cluster.maxShare != nil }) {
            capShares(at: priority)
        }
    }

    private mutating func capShares(at priority: UInt32) {
        let members = indices.filter { self[$0].priority == priority }
        let claims = members.map { self[$0].claim }
        var capped: Set<Int> = []
        var free = claims.reduce(0, +)
        var rest = 1.0
        // Capping one cluster leaves more to the others, which may then exceed their own caps.
        while let next = zip(members, claims).first(where: { index, claim in
            guard !capped.contains(index), let most = self[index].cluster.maxShare?.value else { return false }
            return claim > 0 && claim / free * rest > most
        }) {
            let most = self[next.0].cluster.maxShare?.value ?? 1
            // Some cluster has to take the rest.
            guard free - next.1 > 0, rest - most > 0 else { break }
            capped.insert(next.0)
            free -= next.1
            rest -= most
        }
        for (index, claim) in zip(members, claims) where capped.contains(index) {
            let most = self[index].cluster.maxShare?.value ?? 1
            self[index].multiplier = self[index].multiplier.reduced(by: most * free / rest / claim)
            self[index].isCapped = true
        }
    }
}

extension Member {
    /// The sum of the cluster's active weights times its multiplier.
    fileprivate var claim: Double {
        multiplier.value * pods.reduce(0.0) { $0 + ($1.isActive ? Double($1.pod.weight.value) : 0) }
    }
}
