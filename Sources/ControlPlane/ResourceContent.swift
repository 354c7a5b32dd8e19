import Balancing
import EnvoyAPI
import Model
import XDS

/// What a resource says, before it is encoded.
enum ResourceContent: Hashable {
    case cluster(EnvoyCluster)
    case listener(GatewayListener)
    case proxylessListener
    case routes
    case endpoints(Assignment)
    case exported(ExportedService)
    /// The localities of an assignment, whose endpoints are resources of their own: see `ViewBuilder.list`.
    case localities([Assignment.LocalityEndpoints], of: ServiceName)

    var type: TypeURL {
        switch self {
        case .cluster: .cluster
        case .listener, .proxylessListener: .listener
        case .routes: .routeConfiguration
        case .endpoints, .localities: .clusterLoadAssignment
        case .exported: .exportedService
        }
    }

    /// Where its endpoints are, if they are not in it.
    var collections: [ResourceName] {
        guard case .localities(let localities, let service) = self else { return [] }
        return localities.map { ResourceName(collectionOf: service, $0) }
    }

    func encoded(_ name: ResourceName) -> EncodedResource {
        switch self {
        case .cluster(let cluster): EncodedResource(cluster, name: name)
        case .listener(let listener): EncodedResource(listener)
        case .proxylessListener: EncodedResource(proxylessListener: name)
        case .routes: EncodedResource(routesToCluster: name)
        case .exported(let service): EncodedResource(service)
        case .endpoints(let assignment): EncodedResource(assignment, name: name)
        case .localities(let localities, let service):
            EncodedResource(localities, name: name) { ResourceName(collectionOf: service, $0) }
        }
    }
}

extension Assignment {
    /// Its localities without their endpoints.
    ///
    /// One that is alone at its priority weighs 1: what it weighs means nothing then, and so no change of a pod is one of it.
    var localitiesAlone: [LocalityEndpoints] {
        let counts = Dictionary(localities.map { ($0.priority, 1) }, uniquingKeysWith: +)
        return localities.map { entry in
            let isAlone = counts[entry.priority] == 1 && entry.weight != nil
            return LocalityEndpoints(
                locality: entry.locality, priority: entry.priority, weight: isAlone ? 1 : entry.weight, endpoints: [])
        }
    }
}
