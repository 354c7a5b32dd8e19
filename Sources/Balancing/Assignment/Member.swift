/// One cluster's part in one service, as the clients of one cluster see it.
struct Member {
    struct Entry {
        var pod: Pod
        /// The cluster that already brought a pod of this address.
        var duplicateOf: ClusterName?
        /// On the service's common scale; 0 for a pod that takes no traffic.
        var weight: UInt32 = 0
    }

    var cluster: Cluster
    var priority: UInt32
    /// Whether clients connect to the pods themselves.
    var isDirect: Bool
    var multiplier: Ratio
    /// The health of the pods that take traffic: healthy, or unhealthy where nothing is healthy.
    var active: Pod.Health
    var sendsUnhealthy: Bool
    var pods: [Entry] = []

    var gateways: [SocketAddress] { Set(cluster.gateways).sorted() }
    var weight: UInt64 { pods.reduce(0) { $0 + UInt64($1.weight) } }

    func isActive(_ entry: Entry) -> Bool {
        entry.duplicateOf == nil && entry.pod.health == active && multiplier.numerator > 0
    }

    /// The endpoints that stand for this cluster's pods.
    ///
    /// Each way to reach a cluster is a case here.
    func endpoints() -> [Placement.Endpoint] {
        guard multiplier.numerator > 0 else { return [] }
        if isDirect { return pods.compactMap(directEndpoint) }
        switch cluster.reach {
        case .gateway: return gatewayEndpoints()
        }
    }

    private func directEndpoint(_ entry: Entry) -> Placement.Endpoint? {
        let isSent =
            isActive(entry) || entry.pod.health == .draining || (sendsUnhealthy && entry.pod.health == .unhealthy)
        guard entry.duplicateOf == nil, isSent else { return nil }
        var locality = cluster.locality
        if let zone = entry.pod.zone { locality.zone = zone }
        return Placement.Endpoint(
            address: entry.pod.address, locality: locality, priority: priority,
            // A pod out of traffic weighs nothing in its locality, but its endpoint has to weigh something.
            activeWeight: entry.weight, restingWeight: entry.pod.weight.value, health: entry.pod.health
        )
    }

    /// One endpoint for each gateway.
    ///
    /// All zones' pods count: a second entry of the same address for another zone would be dropped.
    private func gatewayEndpoints() -> [Placement.Endpoint] {
        guard let weight = UInt32(exactly: weight), weight > 0 else { return [] }
        return zip(gateways, splitEvenly(weight, into: gateways.count)).map { gateway, part in
            Placement.Endpoint(
                address: gateway, locality: cluster.locality, priority: priority,
                activeWeight: part, restingWeight: part, health: active
            )
        }
    }
}

extension [Member] {
    /// Gives every pod that takes traffic its weight.
    ///
    /// Weights compare within a priority, so each has a scale of its own.
    mutating func scale() {
        for priority in Set(map(\.priority)) { scale(priority) }
    }

    private mutating func scale(_ priority: UInt32) {
        let members = indices.filter { self[$0].priority == priority }
        let weights = scaleToIntegers(
            members.map { index in
                let member = self[index]
                return WeightClaim(
                    weights: member.pods.filter(member.isActive).map(\.pod.weight), multiplier: member.multiplier,
                    parts: member.isDirect ? 1 : member.gateways.count
                )
            }
        )
        for (index, weights) in zip(members, weights) {
            var next = weights.makeIterator()
            for entry in self[index].pods.indices where self[index].isActive(self[index].pods[entry]) {
                self[index].pods[entry].weight = next.next() ?? 0
            }
        }
    }
}
