import Balancing
import EnvoyAPI
import XDS

/// What a resource says, before it is encoded.
enum ResourceContent: Hashable {
    case cluster(EnvoyCluster)
    case listener(GatewayListener)
    case proxylessListener
    case routes
    case endpoints(Assignment)
    /// The localities of an assignment, whose endpoints are resources of their own.
    case localities(Assignment, of: ServiceName)
    case endpoint(Assignment.Endpoint, metadata: [String: [String: String]])

    var type: TypeURL {
        switch self {
        case .cluster: .cluster
        case .listener, .proxylessListener: .listener
        case .routes: .routeConfiguration
        case .endpoints, .localities: .clusterLoadAssignment
        case .endpoint: .endpoint
        }
    }

    /// Where its endpoints are, if they are not in it.
    var collections: [ResourceName] {
        guard case .localities(let assignment, let service) = self else { return [] }
        return assignment.localities.map { ResourceName(collectionOf: service, $0) }
    }

    func encoded(_ name: ResourceName) -> EncodedResource {
        switch self {
        case .cluster(let cluster): EncodedResource(cluster, name: name)
        case .listener(let listener): EncodedResource(listener)
        case .proxylessListener: EncodedResource(proxylessListener: name)
        case .routes: EncodedResource(routesToCluster: name)
        case .endpoints(let assignment): EncodedResource(assignment, name: name)
        case .localities(let assignment, let service):
            EncodedResource(assignment, name: name) { ResourceName(collectionOf: service, $0) }
        case .endpoint(let endpoint, let metadata): EncodedResource(endpoint, metadata: metadata, name: name)
        }
    }
}
