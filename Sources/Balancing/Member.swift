import Model
import XXHash

/// One cluster's part in one service, as the clients of one cluster see it.
struct Member: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var pod: Pod
        /// The pod's health, with drains.
        var health: Pod.Health
        /// The product of the pod's multipliers by overrides, in millionths.
        var millionths: UInt64 = 1_000_000
        /// The cluster that already contributed a pod with this address.
        var duplicateOf: ClusterName?
        /// Whether the pod takes traffic.
        var isActive: Bool
        /// The weight on the service's common scale; 0 if the pod takes no traffic.
        var weight: UInt32 = 0

        /// The pod's own weight times the multipliers by overrides, in millionths.
        var tunedWeight: UInt64 { UInt64(pod.weight.value) * millionths }
    }

    var cluster: Cluster
    var priority: UInt32
    var route: Route
    /// The SNI by which gateways select the service for clients that set none of their own; nil if they do.
    var sharedSNI: String?
    var multiplier: Ratio
    /// Whether a drain, or a multiplier or share of 0, doesn't apply, because no other pod of the service is healthy.
    var keepsTraffic = false
    /// The share that the configuration or overrides set; nil if they set none.
    var share: SetShare?
    /// The factors of zones that have shares of their own; the factor of `share` is for the other pods.
    var zoneFactors: [String: Ratio] = [:]
    /// Whether the multiplier was reduced because of the cluster's `maxShare`.
    var isCapped = false
    /// The health of the pods that take traffic: healthy, or unhealthy if no pod of the service is healthy.
    var active: Pod.Health
    var sendsUnhealthy: Bool
    var pods: [Entry] = []

    /// The share of one cluster that the configuration or overrides set.
    struct SetShare: Hashable, Sendable {
        /// The factor on the pods' weights that gives this share.
        var factor: Ratio
        /// The share, 0 to 1.
        var share: Double
        /// The share before a limit reduced it; nil if none did.
        var wanted: Double?
        /// What set it; nil for a part of what other clusters leave.
        var origin: String?
    }

    var weight: UInt64 { pods.reduce(0) { $0 + UInt64($1.weight) } }

    /// Why the cluster isn't reached as configured; nil if it has no pods.
    var shownProblem: String? { pods.isEmpty ? nil : route.problem }

    /// Adds the endpoints of this cluster's pods.
    func place(in placement: inout Placement) {
        for endpoint in sharedEndpoints {
            placement.add(
                shared: endpoint, activeWeight: endpoint.health == active ? endpoint.weight : 0, in: sharedLocality,
                at: priority)
        }
        for entry in pods where isSent(entry) {
            placement.add(
                pod: endpoint(of: entry), activeWeight: entry.weight, in: locality(of: entry.pod), at: priority)
        }
    }

    /// The locality of a pod.
    func locality(of pod: Pod) -> Locality {
        var locality = cluster.locality
        if let zone = pod.zone { locality.zone = zone }
        return locality
    }

    /// Whether any endpoint stands for the cluster's pods.
    var hasEndpoints: Bool { !sharedEndpoints.isEmpty || pods.contains(where: isSent) }

    /// The cluster and pod of each endpoint.
    var origins: [(address: Assignment.Endpoint.Address, origin: Assignment.Origin)] {
        sharedEndpoints.map { ($0.address, Assignment.Origin(cluster: cluster.name, pod: nil)) }
            + pods.filter(isSent).map {
                (address(of: $0.pod), Assignment.Origin(cluster: cluster.name, pod: $0.pod.name))
            }
    }

    /// Whether the pod is an endpoint of its own.
    private func isSent(_ entry: Entry) -> Bool {
        route.sendsPods && entry.duplicateOf == nil && route.parts > 0 && route.reaches(entry.pod)
            && (entry.isActive || entry.health == .draining || (sendsUnhealthy && entry.health == .unhealthy))
    }

    private func endpoint(of entry: Entry) -> Assignment.Endpoint {
        var endpoint = Assignment.Endpoint(
            address: address(of: entry.pod),
            // A pod that takes no traffic doesn't count in its locality's weight, but its endpoint's weight can't be 0.
            weight: entry.weight > 0 ? entry.weight : entry.pod.weight.value, health: entry.health,
            metadata: cluster.metadata.overridden(by: entry.pod.metadata)
        )
        guard case .pods(let identity) = route.endpoints else { return endpoint }
        switch identity {
        case .address: break
        case .sni(let names, _): endpoint.hostname = names[entry.pod.name]
        case .tunnel: endpoint.metadata = endpoint.metadata.overridden(by: .tunnelled)
        case .proxied(let proxies):
            // The hash keeps each pod on the same proxy while other pods come and go.
            endpoint.proxy = proxies[Int(xxHash64(entry.pod.name) % UInt64(proxies.count))]
        }
        return endpoint
    }

    private func address(of pod: Pod) -> Assignment.Endpoint.Address {
        switch route.endpoints {
        // The SNI is part of the identity: up to 1.38, Envoy keeps using the old SNI if nothing else changes.
        case .pods(.sni(let names, let listener)), .pods(.tunnel(let names, let listener)):
            .listener(listener, id: names[pod.name] ?? pod.name)
        case .pods(.address), .pods(.proxied), .shared: .socket(pod.address)
        }
    }

    /// The endpoints that stand for all pods together.
    ///
    /// If some pods are draining and no other takes traffic, the endpoints are draining too: connections stay.
    private var sharedEndpoints: [Assignment.Endpoint] {
        guard case .shared(let addresses, _) = route.endpoints, let weight = UInt32(exactly: weight) else { return [] }
        let draining = { [sharedSNI, cluster] (address: Assignment.Endpoint.Address) in
            Assignment.Endpoint(
                address: address, hostname: sharedSNI, weight: 1, health: .draining, metadata: cluster.metadata)
        }
        let drained = route.drained.map { draining(.socket($0)) }
        guard weight > 0 else {
            guard pods.contains(where: { $0.health == .draining }) else { return [] }
            return addresses.map(draining) + drained
        }
        return zip(addresses, splitEvenly(weight, into: addresses.count)).map {
            Assignment.Endpoint(
                address: $0, hostname: sharedSNI, weight: $1, health: active, metadata: cluster.metadata)
        } + drained
    }

    /// The locality of shared endpoints; pods' zones are ignored, because Envoy would drop the same address in a second
    /// zone.
    private var sharedLocality: Locality {
        var locality = cluster.locality
        // Envoy recreates a host when its locality changes. A changed host name would do the same, but TLS contexts
        // with `auto_host_sni` send it as SNI.
        if case .shared(_, let generation?) = route.endpoints {
            locality.subZone += (locality.subZone.isEmpty ? "" : "-") + generation
        }
        return locality
    }
}

extension Member {
    /// The indices of the active pods in a zone that has a share of its own, or in none such.
    fileprivate func activePods(in zone: String?) -> [Int] {
        guard !zoneFactors.isEmpty else { return pods.indices.filter { pods[$0].isActive } }
        return pods.indices.filter { pods[$0].isActive && self.zone(of: pods[$0].pod) == zone }
    }
}

extension [Member] {
    /// Sets the weight of every pod that takes traffic.
    ///
    /// Weights are comparable within a priority only, so each priority has its own scale.
    mutating func scale() {
        for priority in Set(map(\.priority)) { scale(priority) }
    }

    private mutating func scale(_ priority: UInt32) {
        let members = indices.filter { self[$0].priority == priority }
        // Without multipliers by overrides, weights stay the pods' own.
        let divisor: UInt64 = members.contains { self[$0].pods.contains { $0.millionths != 1_000_000 } } ? 1 : 1_000_000
        let parts = members.flatMap { index in
            ([nil] + self[index].zoneFactors.keys.sorted()).map { (index: index, zone: $0) }
        }
        let weights = scaleToIntegers(
            parts.map { index, zone in
                let member = self[index]
                return WeightClaim(
                    weights: member.activePods(in: zone).map { member.pods[$0].tunedWeight / divisor },
                    multiplier: zone.flatMap { member.zoneFactors[$0] } ?? member.share?.factor ?? member.multiplier,
                    parts: member.route.parts
                )
            }
        )
        for ((index, zone), weights) in zip(parts, weights) {
            for (entry, weight) in zip(self[index].activePods(in: zone), weights) {
                self[index].pods[entry].weight = weight
            }
        }
    }
}
