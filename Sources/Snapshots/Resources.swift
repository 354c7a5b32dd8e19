import Balancing
import EnvoyAPI
import Intent
import Model
import XDS

// Which resources each kind of client is served.

typealias NamedContent = (name: ResourceName, content: ResourceContent)

extension Mesh {
    /// The resources of one service in a client's view.
    ///
    /// A gateway has an Envoy cluster for each SNI or address; with `on_demand` it fetches only those that its clients
    /// need.
    func contents(of service: ServiceIntent, _ assignment: Assignment, for view: ClientView) -> [NamedContent] {
        let names = service.resources.map { ResourceName(rawValue: $0) }
        let endpoints: ResourceContent =
            view.usesLEDS
            ? .localities(assignment.localitiesAlone, of: service.service.name) : .endpoints(assignment)
        switch view.kind {
        case .plain:
            return contents(names, endpoints, .cluster(.service(service.service)), .routes)
        case .lanes, .olderLanes:
            var ways: EnvoyCluster.Ways = []
            let kinds = remotes(of: view).map(\.reach.kind)
            if kinds.contains(.connect) { ways.insert(.proxies) }
            if kinds.contains(.hbone), view.kind.capabilities.supportsTunnels { ways.insert(.tunnels) }
            return contents(names, endpoints, .cluster(.service(service.service, through: ways)), .routes)
        case .grpc: return contents(names, endpoints, .cluster(.proxyless), .routes, .proxylessListener)
        case .gateway: return contents(names, endpoints) + gatewayClusters(for: service, assignment, view)
        }
    }

    private func contents(_ names: [ResourceName], _ contents: ResourceContent...) -> [NamedContent] {
        names.flatMap { name in contents.map { (name, $0) } }
    }

    /// An Envoy cluster for each SNI and each address that clients may use at a gateway.
    private func gatewayClusters(
        for service: ServiceIntent, _ assignment: Assignment, _ view: ClientView
    ) -> [NamedContent] {
        guard let cluster = clusters.first(where: { $0.name == view.cluster }) else { return [] }
        var contents: [NamedContent] = service.sharedSNIs(at: cluster).map {
            (ResourceName(rawValue: $0), .cluster(.pods(assignment)))
        }
        let pods = pods[cluster.name] ?? []
        switch cluster.reach {
        case .gateway, .lanes, .hbone: break
        case .pods(let template):
            // If the template fails for the pods, clients use the service's own SNI instead.
            let names = (try? template.names(of: pods, of: service.service, in: cluster.name)) ?? [:]
            for pod in pods {
                guard let name = names[pod.name], name != service.service.sni?.description else { continue }
                contents.append((ResourceName(rawValue: name), .cluster(.pod(pod.address))))
            }
        case .connect:
            for address in Set(pods.map(\.address)) {
                contents.append((ResourceName(rawValue: address.description), .cluster(.pod(address))))
            }
        }
        return contents
    }

    /// The listeners and Envoy clusters that lead a client to other clusters' gateways.
    ///
    /// - Parameter tuning: the effects of the overrides of all services.
    func paths(for view: ClientView, _ tuning: Tuning) -> [NamedContent] {
        guard view.kind.capabilities.supportsEveryReach else { return [] }
        let capabilities = view.kind.capabilities
        let led = remotes(of: view).filter {
            $0.reach.needsInternalListener && ($0.reach.acceptsEveryClient || capabilities.supportsTunnels)
        }
        return led.flatMap { cluster -> [NamedContent] in
            let name = cluster.name.gatewayListener
            let gateways = (Set(cluster.gateways).sorted(), tuning.drainedGateways(of: cluster))
            guard case .hbone(let settings) = cluster.reach else {
                return [
                    (ResourceName(rawValue: name), .cluster(.gateways(gateways.0, drained: gateways.1))),
                    (ResourceName(rawValue: name), .listener(GatewayListener(name))),
                ]
            }
            let pods = cluster.name.podListener
            return [
                (
                    ResourceName(rawValue: name),
                    .cluster(.gateways(gateways.0, drained: gateways.1, tunnelsOver: settings.gateway))
                ),
                (ResourceName(rawValue: name), .listener(GatewayListener(name, .tunnelToGateway))),
                (ResourceName(rawValue: pods), .cluster(.tunnels(settings.pods, through: name))),
                (ResourceName(rawValue: pods), .listener(GatewayListener(pods, .tunnelToPod))),
            ]
        }
    }

    /// The clusters for which the client gets gateway addresses only, although their `reach` offers more.
    func reduced(for view: ClientView) -> [ClusterName] {
        guard !view.kind.capabilities.supportsEveryReach, view.kind != .gateway else { return [] }
        return remotes(of: view).filter { $0.reach.kind != .gateway && $0.reach.acceptsEveryClient }.map(\.name)
    }

    /// The clusters for which the client gets nothing, because it doesn't support their tunnels.
    func unreached(for view: ClientView) -> [ClusterName] {
        guard !view.kind.capabilities.supportsTunnels, view.kind != .gateway else { return [] }
        return remotes(of: view).filter { !$0.reach.acceptsEveryClient }.map(\.name)
    }

    /// The clusters that the client reaches through gateways that select pods by TLS; none for gRPC, where the channel
    /// decides about TLS.
    func gatewayed(for view: ClientView) -> [ClusterName] {
        switch view.kind {
        case .plain, .lanes, .olderLanes: remotes(of: view).filter(\.reach.acceptsEveryClient).map(\.name)
        case .grpc, .gateway: []
        }
    }

    /// The clusters whose pods the client doesn't reach directly.
    private func remotes(of view: ClientView) -> [Cluster] {
        let network = network(of: view.cluster)
        return clusters.filter { !$0.isDirect(from: network) }
    }

    func network(of cluster: ClusterName) -> String {
        clusters.first { $0.name == cluster }?.network ?? cluster.rawValue
    }
}

extension ServiceIntent {
    /// The SNIs that lead to any of the service's pods at a cluster's gateways: the service's own SNI, and the names
    /// that gRPC clients call, which they send as SNI.
    fileprivate func sharedSNIs(at cluster: Cluster) -> Set<String> {
        var names = Set([service.sni(at: cluster)?.description].compactMap(\.self))
        // An unlisted service's name may be any other service's SNI.
        guard isListed else { return names }
        // With a template other than the default, a pod's SNI may equal one of these names.
        if case .pods(let template) = cluster.reach, template != .standard { return names }
        for resource in resources {
            guard let name = DNSName(resource)?.description, !name.hasSuffix(".ballast") else { continue }
            names.insert(name)
        }
        return names
    }
}
