extension Mesh {
    /// Decides who gets how much of a service's traffic, as the clients of one cluster shall see it.
    ///
    /// `weight(pod) = pod weight x cluster multiplier`, exactly, over the pods that take traffic. Pods of the
    /// client's network and of clusters without gateways are endpoints of their own; other clusters' pods appear as
    /// their `reach` says, as far as the audience can take it. A gateway sees its own cluster's pods only.
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
        _ service: Service, from client: ClusterName, for audience: Audience = .lanes,
        renewals: [ClusterName: Renewal] = [:]
    ) -> Assignment {
        var members = members(of: service, from: client, for: audience, renewals: renewals)
        members.scale()

        var placement = Placement()
        for member in members {
            for endpoint in member.endpoints() { placement.add(endpoint) }
        }
        let localities = placement.localities()
        return Assignment(
            metadata: service.metadata, localities: audience == .grpc ? localities.proxyless : localities,
            shares: members.shares(priorities: placement.priorities), origins: placement.origins
        )
    }

    /// Every cluster with its pods in a fixed order, the client's own first.
    private func members(
        of service: Service, from client: ClusterName, for audience: Audience, renewals: [ClusterName: Renewal]
    ) -> [Member] {
        let network = clusters.first { $0.name == client }?.network ?? client.rawValue
        let ordered =
            clusters.filter { audience != .gateway || $0.name == client }
            .sorted { ($0.name == client ? 0 : 1, $0.name) < ($1.name == client ? 0 : 1, $1.name) }
        let anyHealthy = ordered.contains { cluster in
            service.weights[cluster.name]?.numerator != 0
                && pods[cluster.name, default: [:]][service.name, default: []].contains { $0.health == .healthy }
        }
        var seen: [SocketAddress: ClusterName] = [:]
        return ordered.map { cluster in
            let isOwn = cluster.name == client
            let isDirect = cluster.isDirect(from: network)
            let pods = pods[cluster.name, default: [:]][service.name, default: []].sorted(by: Pod.precedes)
            var problem: String?
            let route =
                isDirect
                ? .direct
                : Route(
                    to: cluster, of: service.name, for: audience, renewal: renewals[cluster.name], pods: pods,
                    taken: seen, problem: &problem
                )
            var member = Member(
                cluster: cluster,
                priority: service.balance == .localFirst && !isOwn ? 1 : 0,
                route: route,
                problem: problem,
                multiplier: service.weights[cluster.name] ?? .one,
                active: anyHealthy ? .healthy : .unhealthy,
                sendsUnhealthy: service.balance == .localFirst && isOwn
            )
            let sendsAddresses = route.sendsPodAddresses
            for pod in pods {
                // Two sources that know the same directly reachable pod count it once.
                let owner = isDirect ? seen[pod.address] : nil
                member.pods.append(Member.Entry(pod: pod, duplicateOf: owner))
                if sendsAddresses, owner == nil { seen[pod.address] = cluster.name }
            }
            return member
        }
    }
}

extension Pod {
    /// A fixed order, so that the order of input never shows.
    static func precedes(_ left: Pod, _ right: Pod) -> Bool { (left.address, left.name) < (right.address, right.name) }
}
