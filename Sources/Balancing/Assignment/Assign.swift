extension Mesh {
    /// Decides who gets how much of a service's traffic, as the clients of one cluster shall see it.
    ///
    /// `weight(pod) = pod weight x cluster multiplier`, exactly, over the pods that take traffic. Pods of the
    /// client's network and of clusters without gateways are endpoints of their own; other clusters' pods appear as
    /// their `reach` says.
    ///
    /// Pods out of traffic, measured with Envoy 1.40: a draining pod is sent as such and changes no share. An
    /// unhealthy one would (Envoy scales its locality's weight down, and panics below half), so it is left out, with
    /// two exceptions: under `local-first` the client's own unhealthy pods are sent, for Envoy's failover counts
    /// them; and where no pod of the whole service is healthy, all are sent as unhealthy and the client's panic
    /// threshold decides.
    ///
    /// The outcome depends on the content of the mesh only, not on the order of clusters, pods or gateways.
    public func assign(_ service: Service, from client: ClusterName) -> Assignment {
        var members = members(of: service, from: client)
        members.scale()

        var placement = Placement()
        for member in members {
            for endpoint in member.endpoints() { placement.add(endpoint) }
        }
        let localities = placement.localities()
        return Assignment(localities: localities, shares: members.shares(priorities: placement.priorities))
    }

    /// Every cluster with its pods in a fixed order, the client's own first.
    private func members(of service: Service, from client: ClusterName) -> [Member] {
        let network = clusters.first { $0.name == client }?.network ?? client.rawValue
        let ordered = clusters.sorted { ($0.name == client ? 0 : 1, $0.name) < ($1.name == client ? 0 : 1, $1.name) }
        let anyHealthy = ordered.contains { cluster in
            service.weights[cluster.name]?.numerator != 0
                && pods[cluster.name, default: [:]][service.name, default: []].contains { $0.health == .healthy }
        }
        var seen: [SocketAddress: ClusterName] = [:]
        return ordered.map { cluster in
            let isOwn = cluster.name == client
            var member = Member(
                cluster: cluster,
                priority: service.balance == .localFirst && !isOwn ? 1 : 0,
                isDirect: cluster.network == network || cluster.gateways.isEmpty,
                multiplier: service.weights[cluster.name] ?? .one,
                active: anyHealthy ? .healthy : .unhealthy,
                sendsUnhealthy: service.balance == .localFirst && isOwn
            )
            for pod in pods[cluster.name, default: [:]][service.name, default: []].sorted(by: Pod.precedes) {
                // Two sources that know the same directly reachable pod count it once.
                let owner = member.isDirect ? seen[pod.address] : nil
                member.pods.append(Member.Entry(pod: pod, duplicateOf: owner))
                if member.isDirect, owner == nil { seen[pod.address] = cluster.name }
            }
            return member
        }
    }
}

extension Pod {
    /// A fixed order, so that the order of input never shows.
    static func precedes(_ left: Pod, _ right: Pod) -> Bool { (left.address, left.name) < (right.address, right.name) }
}
