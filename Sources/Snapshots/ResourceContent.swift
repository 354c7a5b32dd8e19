import Balancing
import EnvoyAPI
import Model
import XDS

/// The content of a resource before it is encoded.
enum ResourceContent: Hashable {
    case cluster(EnvoyCluster)
    case listener(GatewayListener)
    case proxylessListener
    case routes
    case endpoints(Assignment)
    case exported(ExportedService)
    /// The localities of an assignment; their endpoints are separate resources: see `ViewBuilder.replaceEndpoints`.
    case localities([Assignment.LocalityEndpoints], of: ServiceName)

    /// How the content is encoded.
    struct Form {
        var type: TypeURL
        /// The LEDS collections of its endpoints; empty if the endpoints are inline.
        var collections: [ResourceName] = []
        var encode: (ResourceName) -> EncodedResource
    }

    var form: Form {
        switch self {
        case .cluster(let cluster): Form(type: .cluster) { EncodedResource(cluster, name: $0) }
        case .listener(let listener): Form(type: .listener) { _ in EncodedResource(listener) }
        case .proxylessListener: Form(type: .listener) { EncodedResource(proxylessListener: $0) }
        case .routes: Form(type: .routeConfiguration) { EncodedResource(routesToCluster: $0) }
        case .endpoints(let assignment):
            Form(type: .clusterLoadAssignment) { EncodedResource(assignment, name: $0) }
        case .exported(let service): Form(type: .exportedService) { _ in EncodedResource(service) }
        case .localities(let localities, let service):
            Form(
                type: .clusterLoadAssignment,
                collections: localities.map { ResourceName(collectionOf: service, $0) }
            ) { name in
                EncodedResource(localities, name: name) { ResourceName(collectionOf: service, $0) }
            }
        }
    }
}

extension Assignment {
    /// The localities without their endpoints.
    ///
    /// The only locality of a priority always has weight 1, so that a change of a pod doesn't change the locality.
    var localitiesAlone: [LocalityEndpoints] {
        let counts = Dictionary(localities.map { ($0.priority, 1) }, uniquingKeysWith: +)
        return localities.map { entry in
            let isAlone = counts[entry.priority] == 1 && entry.weight != nil
            return LocalityEndpoints(
                locality: entry.locality, priority: entry.priority, weight: isAlone ? 1 : entry.weight, endpoints: [])
        }
    }
}
