import Model

extension [Member] {
    /// Reduces the multipliers of clusters that would take more than their `maxShare`.
    ///
    /// What they don't take, the others take in proportion. If no other is there, they take everything: a cap is no reason to
    /// refuse requests.
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
        // A cluster that is held to its share leaves more to the others, which may bring them over theirs.
        while let next = zip(members, claims).first(where: { index, claim in
            guard !capped.contains(index), let most = self[index].cluster.maxShare?.value else { return false }
            return claim > 0 && claim / free * rest > most
        }) {
            let most = self[next.0].cluster.maxShare?.value ?? 1
            // Somebody has to take the rest.
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
    /// What its pods ask for together.
    fileprivate var claim: Double {
        multiplier.value * pods.reduce(0.0) { $0 + ($1.isActive ? Double($1.pod.weight.value) : 0) }
    }
}
