public import Model

extension Mesh {
    /// Decides who gets how much of a service's traffic, as the clients of one cluster shall see it.
    ///
    /// `weight(pod) = pod weight x cluster multiplier`, exactly, over the pods that take traffic. Pods of the
    /// client's network and of clusters without gateways are endpoints of their own; other clusters' pods appear as
    /// their `reach` says, as far as the client can take it. A gateway sees its own cluster's pods only.
    ///
    /// Pods out of traffic, measured with Envoy 1.40: a draining pod is sent as such and changes no share. An
    /// unhealthy one would (Envoy scales its locality's weight down, and panics below half), so it is left out, with
    /// two exceptions: under `local-first` the client's own unhealthy pods are sent, for Envoy's failover counts
    /// them; and where no pod of the whole service is healthy, all are sent as unhealthy and the client's panic
    /// threshold decides.
    ///
    /// The outcome depends on the content of the mesh only, not on the order of clusters, pods or gateways.
    ///
    /// - Parameter renewals: of the clusters whose identities change over time.
    public func assign(
        _ service: Service, from client: ClusterName, for kind: ClientKind = .lanes,
        renewals: [ClusterName: Renewal] = [:]
    ) -> Assignment {
        let capabilities = kind.capabilities
        var members = members(of: service, from: client, for: capabilities, renewals: renewals)
        members.capShares()
        members.scale()

        var placement = Placement()
        for member in members { member.place(in: &placement) }
        let localities = placement.localities()
        return Assignment(
            metadata: service.metadata,
            localities: capabilities.readsEndpointWeights ? localities : localities.proxyless,
            members: members
        )
    }

    /// Every cluster with its pods in a fixed order, the client's own first.
    private func members(
        of service: Service, from client: ClusterName, for capabilities: ClientCapabilities,
        renewals: [ClusterName: Renewal]
    ) -> [Member] {
        let network = clusters.first { $0.name == client }?.network ?? client.rawValue
        let ordered =
            clusters.filter { !capabilities.isGateway || $0.name == client }
            .sorted { ($0.name == client ? 0 : 1, $0.name) < ($1.name == client ? 0 : 1, $1.name) }
        let anyHealthy = ordered.contains { cluster in
            service.weights[cluster.name]?.numerator != 0
                && pods[cluster.name, default: []].contains { $0.health == .healthy }
        }
        let counts = ordered.map { pods[$0.name]?.count ?? 0 }.filter { $0 > 0 }
        var seen: [SocketAddress: ClusterName] = [:]
        // Within one cluster, pods of one address follow each other.
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
                    taken: seen)
            let priority: UInt32 = service.balance == .localFirst && !isOwn ? 1 : 0
            if priority > 0 { route.leaveOut(seen, of: client) }
            var member = Member(
                cluster: cluster,
                priority: priority,
                route: route,
                sharedSNI: service.sni == nil ? service.sni(at: cluster)?.description : nil,
                multiplier: service.weights[cluster.name] ?? .one,
                active: anyHealthy ? .healthy : .unhealthy,
                sendsUnhealthy: service.balance == .localFirst && isOwn
            )
            let sendsAddresses = route.sendsPodAddresses
            let takesTraffic = member.multiplier.numerator > 0 && route.parts > 0
            var last: SocketAddress?
            member.pods = pods.map { pod in
                // Two sources that know the same directly reachable pod count it once.
                var owner = isDirect && !seen.isEmpty ? seen[pod.address] : nil
                if sendsAddresses, pod.address == last { owner = cluster.name }
                if sendsAddresses, owner == nil, counts.count > 1 { seen[pod.address] = cluster.name }
                last = pod.address
                return Member.Entry(
                    pod: pod, duplicateOf: owner,
                    isActive: takesTraffic && owner == nil && pod.health == member.active)
            }
            return member
        }
    }
}

extension Pod {
    /// A fixed order, so that the order of input never shows.
    static func precedes(_ left: Pod, _ right: Pod) -> Bool {
        left.address == right.address ? left.name < right.name : left.address < right.address
    }
}
