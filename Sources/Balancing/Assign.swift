public import Model

extension Mesh {
    /// Computes the share of a service's traffic for every endpoint, as the clients of one cluster see it.
    ///
    /// `weight(pod) = pod weight x cluster multiplier`, exactly, over the pods that take traffic. Pods of the client's
    /// network, and of clusters without gateways, are endpoints of their own. Other clusters' pods appear as their
    /// `reach` says, if the client supports it. A gateway sees its own cluster's pods only.
    ///
    /// Pods that take no traffic, measured with Envoy 1.40: A draining pod is sent as draining and doesn't change any
    /// share. An unhealthy pod would change shares, because Envoy scales its locality's weight down and panics below
    /// half. So unhealthy pods are left out, with two exceptions. Under `local-first` the client's own unhealthy pods
    /// are sent, because Envoy counts them for failover. If no pod of the whole service is healthy, all are sent as
    /// unhealthy, and the client's panic threshold decides.
    ///
    /// A drained pod, and a pod of a cluster with multiplier 0, is sent as draining, so that its connections stay. If
    /// that leaves the service without a healthy pod, drains and multipliers of 0 don't apply.
    ///
    /// The result depends on the content of the mesh only, not on the order of clusters, pods or gateways.
    ///
    /// - Parameters:
    ///   - renewals: for clusters whose endpoints' identities change over time.
    ///   - tuning: the effects of overrides.
    public func assign(
        _ service: Service, from client: ClusterName, for kind: ClientKind = .lanes,
        renewals: [ClusterName: Renewal] = [:], tuning: Tuning = .none
    ) -> Assignment {
        let capabilities = kind.capabilities
        var tuning = tuning
        if !service.shares.isEmpty {
            tuning.shares.insert(Tuning.Shares(targets: service.shares, origin: "the configuration"), at: 0)
        }
        var members = members(of: service, from: client, for: capabilities, renewals: renewals, tuning)
        if tuning.shares.isEmpty {
            members.capShares()
        } else {
            members.setShares(tuning, localFirst: (tuning.balance ?? service.balance) == .localFirst ? client : nil)
        }
        members.scale()

        var placement = Placement()
        for member in members { member.place(in: &placement) }
        let localities = placement.localities()
        return Assignment(
            metadata: service.metadata,
            localities: capabilities.readsEndpointWeights ? localities : localities.proxyless,
            members: members, tuning: tuning
        )
    }

    /// All clusters with their pods in a fixed order; the client's own cluster comes first.
    private func members(
        of service: Service, from client: ClusterName, for capabilities: ClientCapabilities,
        renewals: [ClusterName: Renewal], _ tuning: Tuning
    ) -> [Member] {
        let network = clusters.first { $0.name == client }?.network ?? client.rawValue
        let ordered =
            clusters.filter { !capabilities.isGateway || $0.name == client }
            .sorted { ($0.name == client ? 0 : 1, $0.name) < ($1.name == client ? 0 : 1, $1.name) }
        let anyHealthy = ordered.contains { pods[$0.name, default: []].contains { $0.health == .healthy } }
        let isDrained = { (pod: Pod, cluster: Cluster) in
            service.weights[cluster.name]?.numerator == 0 || tuning.drains(pod, of: cluster)
        }
        let appliesDrains = canServe(ordered, from: network, without: isDrained)
        // Shares need all clusters at one priority.
        let balance = tuning.shares.isEmpty ? tuning.balance ?? service.balance : .global
        let counts = ordered.map { pods[$0.name]?.count ?? 0 }.filter { $0 > 0 }
        var seen: [SocketAddress: ClusterName] = [:]
        // Within one cluster, the pods of one address are adjacent after sorting, so one cluster needs no set.
        if counts.count > 1 { seen.reserveCapacity(counts.reduce(0, +)) }
        return ordered.map { cluster in
            var cluster = cluster
            cluster.gateways = Set(cluster.gateways).sorted()
            let isOwn = cluster.name == client
            let isDirect = cluster.isDirect(from: network)
            let pods = pods[cluster.name, default: []].sorted(by: Pod.precedes)
            var route =
                isDirect
                ? .direct
                : Route(
                    to: cluster, of: service, for: capabilities, renewal: renewals[cluster.name], pods: pods,
                    taken: seen, drained: tuning.drainedGateways(of: cluster))
            let priority: UInt32 = balance == .localFirst && !isOwn ? 1 : 0
            if priority > 0 { route.leaveOut(seen, of: client) }
            var member = Member(
                cluster: cluster,
                priority: priority,
                route: route,
                sharedSNI: service.sni == nil ? service.sni(at: cluster)?.description : nil,
                multiplier: service.weights[cluster.name] ?? .one,
                active: anyHealthy ? .healthy : .unhealthy,
                sendsUnhealthy: balance == .localFirst && isOwn
            )
            if member.multiplier.numerator == 0, !appliesDrains {
                member.multiplier = .one
                member.keepsTraffic = true
            }
            let sendsAddresses = route.sendsPodAddresses
            var last: SocketAddress?
            member.pods = pods.map { pod in
                // A directly reachable pod that two sources report counts once.
                var owner = isDirect && !seen.isEmpty ? seen[pod.address] : nil
                if sendsAddresses, pod.address == last { owner = cluster.name }
                if sendsAddresses, owner == nil, counts.count > 1 { seen[pod.address] = cluster.name }
                last = pod.address
                let drains = appliesDrains && pod.health == .healthy && isDrained(pod, cluster)
                let health = drains ? .draining : pod.health
                return Member.Entry(
                    pod: pod, health: health, millionths: tuning.millionths(for: pod, of: cluster), duplicateOf: owner,
                    isActive: route.parts > 0 && owner == nil && health == member.active && route.reaches(pod))
            }
            member.keepsTraffic =
                member.keepsTraffic
                || !appliesDrains && pods.contains { $0.health == .healthy && tuning.drains($0, of: cluster) }
            return member
        }
    }
}

extension Mesh {
    /// Whether a healthy pod can take traffic without those that are drained.
    ///
    /// A pod that an earlier cluster has at the same address counts there.
    private func canServe(
        _ ordered: [Cluster], from network: String, without isDrained: (Pod, Cluster) -> Bool
    ) -> Bool {
        var drained: Set<SocketAddress> = []
        for cluster in ordered {
            let isDirect = cluster.isDirect(from: network)
            guard isDirect || !cluster.gateways.isEmpty else { continue }
            for pod in pods[cluster.name, default: []] {
                if isDrained(pod, cluster) {
                    if isDirect { drained.insert(pod.address) }
                } else if pod.health == .healthy, !isDirect || !drained.contains(pod.address) {
                    return true
                }
            }
        }
        return false
    }
}

extension Pod {
    /// A fixed order, so that results don't depend on the order of the input.
    static func precedes(_ left: Pod, _ right: Pod) -> Bool {
        left.address == right.address ? left.name < right.name : left.address < right.address
    }
}
