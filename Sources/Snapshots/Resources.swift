import Balancing
import EnvoyAPI
import Intent
import Model
import XDS

// Which resources each kind of client is served.

typealias NamedContent = (name: ResourceName, content: ResourceContent)

extension Mesh {
    /// What a client is served of one service.
    ///
    /// With `on_demand`, a gateway fetches only the clusters that its clients ask it for.
    func contents(of service: ServiceIntent, _ assignment: Assignment, for view: ClientView) -> [NamedContent] {
        let names = service.resources.map { ResourceName(rawValue: $0) }
        let endpoints: ResourceContent =
            view.usesLEDS
            ? .localities(assignment.localitiesAlone, of: service.service.name) : .endpoints(assignment)
        switch view.kind {
        case .plain:
            return contents(names, endpoints, .cluster(.service(service.service, throughProxies: false)), .routes)
        case .lanes:
            let throughProxies = remotes(of: view).contains { $0.reach == .connect }
            let cluster = EnvoyCluster.service(service.service, throughProxies: throughProxies)
            return contents(names, endpoints, .cluster(cluster), .routes)
        case .grpc: return contents(names, endpoints, .cluster(.proxyless), .routes, .proxylessListener)
        case .gateway: return contents(names, endpoints) + gatewayClusters(for: service, assignment, view)
        }
    }

    private func contents(_ names: [ResourceName], _ contents: ResourceContent...) -> [NamedContent] {
        names.flatMap { name in contents.map { (name, $0) } }
    }

    /// An Envoy cluster for each SNI, and for each address, that clients may ask a gateway for.
    private func gatewayClusters(
        for service: ServiceIntent, _ assignment: Assignment, _ view: ClientView
    ) -> [NamedContent] {
        guard let cluster = clusters.first(where: { $0.name == view.cluster }) else { return [] }
        var contents: [NamedContent] = service.sharedSNIs(at: cluster).map {
            (ResourceName(rawValue: $0), .cluster(.pods(assignment)))
        }
        let pods = pods[cluster.name] ?? []
        switch cluster.reach {
        case .gateway, .lanes: break
        case .pods(let template):
            // Clients are told to use the service's own SNI if the pods have none that can be used.
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

    /// What leads a client to the gateways of other clusters, besides endpoints.
    func paths(for view: ClientView) -> [NamedContent] {
        guard view.kind.capabilities.takesEveryReach else { return [] }
        return remotes(of: view).filter(\.reach.needsInternalListener).flatMap { cluster -> [NamedContent] in
            let name = ResourceName(rawValue: cluster.name.gatewayListener)
            return [
                (name, .cluster(.gateways(Set(cluster.gateways).sorted()))),
                (name, .listener(GatewayListener(to: cluster))),
            ]
        }
    }

    /// The clusters of which a client gets gateway addresses only, though others reach them better.
    func reduced(for view: ClientView) -> [ClusterName] {
        guard !view.kind.capabilities.takesEveryReach, view.kind != .gateway else { return [] }
        return remotes(of: view).filter { $0.reach.kind != .gateway }.map(\.name)
    }

    /// The clusters that a client reaches through gateways, which tell pods apart by TLS; none for gRPC, whose TLS is the
    /// channel's own matter.
    func gatewayed(for view: ClientView) -> [ClusterName] {
        switch view.kind {
        case .plain, .lanes: remotes(of: view).map(\.name)
        case .grpc, .gateway: []
        }
    }

    /// The clusters whose pods a client doesn't reach directly.
    private func remotes(of view: ClientView) -> [Cluster] {
        let network = network(of: view.cluster)
        return clusters.filter { !$0.isDirect(from: network) }
    }

    /// The network of a cluster.
    func network(of cluster: ClusterName) -> String {
        clusters.first { $0.name == cluster }?.network ?? cluster.rawValue
    }
}

extension ServiceIntent {
    /// The SNIs that lead to any of its pods at a cluster's gateways: the service's own, and the names that gRPC clients
    /// call it by, which are their SNI.
    fileprivate func sharedSNIs(at cluster: Cluster) -> Set<String> {
        var names = Set([service.sni(at: cluster)?.description].compactMap(\.self))
        // A name that a source brings may be any other service's SNI.
        guard isListed else { return names }
        // If pods have names of another form, one of them may be the same.
        if case .pods(let template) = cluster.reach, template != .standard { return names }
        for resource in resources {
            guard let name = DNSName(resource)?.description, !name.hasSuffix(".ballast") else { continue }
            names.insert(name)
        }
        return names
    }
}
