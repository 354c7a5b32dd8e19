import Model
import XXHash

/// One cluster's part in one service, as the clients of one cluster see it.
struct Member: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var pod: Pod
        /// The cluster that already brought a pod of this address.
        var duplicateOf: ClusterName?
        /// Whether it takes traffic.
        var isActive: Bool
        /// On the service's common scale; 0 for a pod that takes no traffic.
        var weight: UInt32 = 0
    }

    var cluster: Cluster
    var priority: UInt32
    var route: Route
    /// What gateways tell the service by, where clients know no better; nil if they do.
    var sharedSNI: String?
    var multiplier: Ratio
    /// Whether the multiplier was reduced for the cluster's `maxShare`.
    var isCapped = false
    /// The health of the pods that take traffic: healthy, or unhealthy where nothing is healthy.
    var active: Pod.Health
    var sendsUnhealthy: Bool
    var pods: [Entry] = []

    var weight: UInt64 { pods.reduce(0) { $0 + UInt64($1.weight) } }

    /// Why it isn't reached as it is configured to be, where there is anything to reach.
    var shownProblem: String? { pods.isEmpty ? nil : route.problem }

    /// Adds the endpoints that stand for this cluster's pods.
    func place(in placement: inout Placement) {
        for endpoint in sharedEndpoints { placement.add(shared: endpoint, in: sharedLocality, at: priority) }
        for entry in pods where isSent(entry) {
            placement.add(
                pod: endpoint(of: entry), activeWeight: entry.weight, in: locality(of: entry.pod), at: priority)
        }
    }

    /// Where a pod runs.
    func locality(of pod: Pod) -> Locality {
        var locality = cluster.locality
        if let zone = pod.zone { locality.zone = zone }
        return locality
    }

    /// Whether any endpoint stands for its pods.
    var hasEndpoints: Bool { !sharedEndpoints.isEmpty || pods.contains(where: isSent) }

    /// What its endpoints stand for.
    var origins: [(address: Assignment.Endpoint.Address, origin: Assignment.Origin)] {
        sharedEndpoints.map { ($0.address, Assignment.Origin(cluster: cluster.name, pod: nil)) }
            + pods.filter(isSent).map {
                (address(of: $0.pod), Assignment.Origin(cluster: cluster.name, pod: $0.pod.name))
            }
    }

    /// Whether a pod is an endpoint of its own.
    private func isSent(_ entry: Entry) -> Bool {
        route.sendsPods && entry.duplicateOf == nil && route.parts > 0 && multiplier.numerator > 0
            && (entry.isActive || entry.pod.health == .draining
                || (sendsUnhealthy && entry.pod.health == .unhealthy))
    }

    private func endpoint(of entry: Entry) -> Assignment.Endpoint {
        var endpoint = Assignment.Endpoint(
            address: address(of: entry.pod),
            // A pod out of traffic weighs nothing in its locality, but its endpoint has to weigh something.
            weight: entry.weight > 0 ? entry.weight : entry.pod.weight.value, health: entry.pod.health
        )
        guard case .pods(let identity) = route.endpoints else { return endpoint }
        switch identity {
        case .address: break
        case .sni(let names, _): endpoint.hostname = names[entry.pod.name]
        case .proxied(let proxies):
            // Each pod keeps its proxy while others come and go.
            endpoint.proxy = proxies[Int(xxHash64(entry.pod.name) % UInt64(proxies.count))]
        }
        return endpoint
    }

    private func address(of pod: Pod) -> Assignment.Endpoint.Address {
        // The SNI is part of the identity: up to version 1.38 Envoy goes on with the old one if only that changes.
        guard case .pods(.sni(let names, let listener)) = route.endpoints else { return .socket(pod.address) }
        return .listener(listener, id: names[pod.name] ?? pod.name)
    }

    /// Endpoints that stand for all pods together.
    private var sharedEndpoints: [Assignment.Endpoint] {
        guard case .shared(let addresses, _) = route.endpoints, multiplier.numerator > 0,
            let weight = UInt32(exactly: weight), weight > 0
        else { return [] }
        return zip(addresses, splitEvenly(weight, into: addresses.count)).map {
            Assignment.Endpoint(address: $0, hostname: sharedSNI, weight: $1, health: active)
        }
    }

    /// Where they are: all zones' pods count, for a second entry of the same address for another zone would be dropped.
    private var sharedLocality: Locality {
        var locality = cluster.locality
        // Envoy makes a host anew when its locality changes. A changed host name would do the same, but TLS contexts
        // with `auto_host_sni` send it as SNI.
        if case .shared(_, let generation?) = route.endpoints {
            locality.subZone += (locality.subZone.isEmpty ? "" : "-") + generation
        }
        return locality
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
                    weights: member.pods.lazy.filter(\.isActive).map(\.pod.weight), multiplier: member.multiplier,
                    parts: member.route.parts
                )
            }
        )
        for (index, weights) in zip(members, weights) {
            var next = weights.makeIterator()
            for entry in self[index].pods.indices where self[index].pods[entry].isActive {
                self[index].pods[entry].weight = next.next() ?? 0
            }
        }
    }
}
