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
    var route: Route
    /// Why that isn't the route that the cluster is configured for.
    var problem: String?
    var multiplier: Ratio
    /// The health of the pods that take traffic: healthy, or unhealthy where nothing is healthy.
    var active: Pod.Health
    var sendsUnhealthy: Bool
    var pods: [Entry] = []

    var weight: UInt64 { pods.reduce(0) { $0 + UInt64($1.weight) } }

    func isActive(_ entry: Entry) -> Bool {
        entry.duplicateOf == nil && entry.pod.health == active && multiplier.numerator > 0 && route.parts > 0
    }

    /// The endpoints that stand for this cluster's pods.
    ///
    /// Each way to reach a cluster is a case here.
    func endpoints() -> [Placement.Endpoint] {
        guard multiplier.numerator > 0 else { return [] }
        switch route {
        case .direct:
            return sentPods.map { podEndpoint($0, at: .socket($0.pod.address)) }
        case .gateways(let addresses, let generation):
            var locality = cluster.locality
            // Envoy makes a host anew when its locality changes. A changed host name would do the same, but TLS contexts
            // with `auto_host_sni` send it as SNI.
            if let generation { locality.subZone += (locality.subZone.isEmpty ? "" : "-") + generation }
            return sharedEndpoints(at: addresses.map { .socket($0) }, in: locality)
        case .lanes(let lanes):
            return sharedEndpoints(at: lanes.map { .listener(cluster.gatewayListener, id: $0) }, in: cluster.locality)
        case .pods(let sni):
            return sentPods.map { entry in
                podEndpoint(
                    entry, at: .listener(cluster.gatewayListener, id: entry.pod.name), hostname: sni[entry.pod.name])
            }
        case .connect(let proxies):
            // Each pod keeps its proxy while others come and go.
            return sentPods.map { entry in
                let proxy = proxies.isEmpty ? nil : proxies[Int(fnv1a(entry.pod.name) % UInt64(proxies.count))]
                return podEndpoint(entry, at: .socket(entry.pod.address), proxy: proxy)
            }
        }
    }

    /// The pods that are endpoints of their own where pods are.
    private var sentPods: [Entry] {
        pods.filter { entry in
            entry.duplicateOf == nil && route.parts > 0
                && (isActive(entry) || entry.pod.health == .draining
                    || (sendsUnhealthy && entry.pod.health == .unhealthy))
        }
    }

    private func podEndpoint(
        _ entry: Entry, at address: Assignment.Endpoint.Address, hostname: String? = nil, proxy: SocketAddress? = nil
    ) -> Placement.Endpoint {
        var locality = cluster.locality
        if let zone = entry.pod.zone { locality.zone = zone }
        return Placement.Endpoint(
            endpoint: Assignment.Endpoint(
                address: address, hostname: hostname, proxy: proxy,
                // A pod out of traffic weighs nothing in its locality, but its endpoint has to weigh something.
                weight: entry.weight > 0 ? entry.weight : entry.pod.weight.value, health: entry.pod.health
            ),
            locality: locality, priority: priority, activeWeight: entry.weight,
            origin: Assignment.Origin(cluster: cluster.name, pod: entry.pod.name)
        )
    }

    /// Endpoints that stand for all pods together.
    ///
    /// All zones' pods count: a second entry of the same address for another zone would be dropped.
    private func sharedEndpoints(at addresses: [Assignment.Endpoint.Address], in locality: Locality) -> [Placement
        .Endpoint]
    {
        guard let weight = UInt32(exactly: weight), weight > 0 else { return [] }
        return zip(addresses, splitEvenly(weight, into: addresses.count)).map { address, part in
            Placement.Endpoint(
                endpoint: Assignment.Endpoint(address: address, weight: part, health: active), locality: locality,
                priority: priority, activeWeight: part,
                origin: Assignment.Origin(cluster: cluster.name, pod: nil)
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
                    parts: member.route.parts
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
