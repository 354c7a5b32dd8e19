import Balancing
import EnvoyAPI
import MeshConfiguration
import Model
import XDS

// Which resources each kind of client is served.

typealias NamedContent = (name: ResourceName, content: ResourceContent)

extension Mesh {
    /// What a viewer is served of one service.
    ///
    /// Clients get the service as an Envoy cluster, its endpoints, and routes that lead to it; gRPC clients also a
    /// listener, by the name that they call. A gateway gets an Envoy cluster for each SNI, and for each address, that
    /// clients may ask it for; with `on_demand` it fetches the ones that they do.
    func contents(
        of service: Configuration.ServedService, _ assignment: Assignment, for viewer: Viewer
    ) -> [NamedContent] {
        let name = service.service.name
        var contents: [NamedContent] = service.resources.map {
            (
                ResourceName(rawValue: $0),
                viewer.usesLEDS ? .localities(assignment.localitiesAlone, of: name) : .endpoints(assignment)
            )
        }
        if viewer.audience != .gateway {
            for name in service.resources { contents.append((ResourceName(rawValue: name), .routes)) }
        }
        if viewer.audience == .grpc {
            for name in service.resources {
                contents.append((ResourceName(rawValue: name), .cluster(.proxyless)))
                contents.append((ResourceName(rawValue: name), .proxylessListener))
            }
            return contents
        }
        guard viewer.audience == .gateway else {
            let throughProxies = viewer.audience == .lanes && remotes(of: viewer).contains { $0.reach == .connect }
            for name in service.resources {
                let cluster = EnvoyCluster.service(service.service, throughProxies: throughProxies)
                contents.append((ResourceName(rawValue: name), .cluster(cluster)))
            }
            return contents
        }
        guard let cluster = clusters.first(where: { $0.name == viewer.cluster }) else { return contents }
        let pods = pods[cluster.name]?[service.service.name] ?? []
        for name in service.sharedSNIs(at: cluster) {
            contents.append((ResourceName(rawValue: name), .cluster(.pods(assignment))))
        }
        switch cluster.reach {
        case .gateway, .lanes: break
        case .pods(let template):
            // Clients are told to use the service's own SNI where the pods have none that can be used.
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

    /// What leads a viewer to the gateways of other clusters.
    func paths(for viewer: Viewer) -> [NamedContent] {
        guard viewer.audience == .lanes else { return [] }
        return remotes(of: viewer).filter(\.reach.needsInternalListener).flatMap { cluster -> [NamedContent] in
            let name = ResourceName(rawValue: cluster.gatewayListener)
            return [
                (name, .cluster(.gateways(Set(cluster.gateways).sorted()))),
                (name, .listener(GatewayListener(to: cluster))),
            ]
        }
    }

    /// The clusters of which a viewer gets gateway addresses only, though they can be reached better.
    func reduced(for viewer: Viewer) -> [ClusterName] {
        guard viewer.audience == .plain || viewer.audience == .grpc else { return [] }
        return remotes(of: viewer).filter { $0.reach.kind != .gateway }.map(\.name)
    }

    /// The clusters that a viewer reaches through gateways, which tell pods by TLS.
    func gatewayed(for viewer: Viewer) -> [ClusterName] {
        guard viewer.audience == .plain || viewer.audience == .lanes else { return [] }
        return remotes(of: viewer).map(\.name)
    }

    /// The clusters whose pods a viewer doesn't reach directly.
    private func remotes(of viewer: Viewer) -> [Cluster] {
        let network = clusters.first { $0.name == viewer.cluster }?.network ?? viewer.cluster.rawValue
        return clusters.filter { !$0.isDirect(from: network) }
    }
}

extension Configuration.ServedService {
    /// The SNIs that lead to any of its pods at a cluster's gateways: the service's own, and the names that gRPC clients
    /// call it by, which are their SNI.
    fileprivate func sharedSNIs(at cluster: Cluster) -> Set<String> {
        var names = Set([service.sni(at: cluster)?.description].compactMap(\.self))
        // A name that a source brings may be any other service's SNI.
        guard isListed else { return names }
        // Where pods have names of another form, one of them may be the same.
        if case .pods(let template) = cluster.reach, template != .standard { return names }
        for resource in resources {
            guard let name = DNSName(resource)?.description, !name.hasSuffix(".ballast") else { continue }
            names.insert(name)
        }
        return names
    }
}
