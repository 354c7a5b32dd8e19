/// What the protocol says about one type of resource: one row for each type that this server has.
public struct ResourceType: Sendable {
    /// A service that serves one type alone.
    public struct Service: Hashable, Sendable {
        /// Such as `endpoint`, in `envoy.service.endpoint.v3`.
        public let package: String
        /// Such as `Endpoint`, in `EndpointDiscoveryService`.
        public let name: String
        /// Such as `Endpoints`, in `StreamEndpoints` and `DeltaEndpoints`.
        public let resources: String
    }

    /// The type's URL.
    public let url: TypeURL
    /// Nil if it is served over aggregated streams only.
    public let service: Service?
    /// Whether a SotW response carries everything that the client wants, so that what is missing doesn't exist, and whether
    /// a client may want whatever there is.
    ///
    /// xDS, "grouping resources into responses" and "how the client specifies what resources to return": so it is for CDS
    /// and LDS, and for no other.
    let isWhole: Bool
    /// Whether a delta client may want whatever there is.
    let hasWildcard: Bool
    /// Whether a resource that doesn't exist can be told to a starting Envoy by an empty one.
    let hasVacancy: Bool
    /// The type of the resources that a client takes into use only once it has heard of them after this one: a cluster's
    /// endpoints, a listener's routes.
    ///
    /// They have their parent's name.
    let child: TypeURL?
    /// Its place in each `ServingOrder`.
    let places: (listenersAfterEndpoints: Int, listenersBeforeEndpoints: Int)
    /// How long a resource is served after nothing needs it any more, so that what refers to it goes first.
    public let removalDelay: Duration?

    private init(
        _ url: TypeURL, _ service: Service?, isWhole: Bool = false, hasWildcard: Bool = false, hasVacancy: Bool = false,
        child: TypeURL? = nil, places: (Int, Int), removalDelay: Duration? = nil
    ) {
        self.url = url
        self.service = service
        self.isWhole = isWhole
        self.hasWildcard = hasWildcard
        self.hasVacancy = hasVacancy
        self.child = child
        self.places = places
        self.removalDelay = removalDelay
    }

    /// Every type that this server has.
    public static let all: [ResourceType] = [
        ResourceType(
            .cluster, Service(package: "cluster", name: "Cluster", resources: "Clusters"), isWhole: true,
            hasWildcard: true, child: .clusterLoadAssignment, places: (0, 0), removalDelay: .seconds(4)),
        ResourceType(
            .listener, Service(package: "listener", name: "Listener", resources: "Listeners"), isWhole: true,
            hasWildcard: true, child: .routeConfiguration, places: (3, 1), removalDelay: .seconds(2)),
        ResourceType(
            .routeConfiguration, Service(package: "route", name: "Route", resources: "Routes"), places: (4, 4)),
        ResourceType(
            .clusterLoadAssignment, Service(package: "endpoint", name: "Endpoint", resources: "Endpoints"),
            hasVacancy: true, places: (2, 2)),
        ResourceType(.endpoint, nil, places: (5, 5)),
        ResourceType(.exportedService, nil, hasWildcard: true, places: (6, 6)),
    ]

    /// What clients may ask for that this server doesn't have.
    private static let unknown = ResourceType(TypeURL(rawValue: ""), nil, places: (6, 6))

    /// The row of a type.
    static func of(_ url: TypeURL) -> ResourceType { all.first { $0.url == url } ?? unknown }
}

extension TypeURL {
    /// Nil for a type that this server doesn't have.
    public var removalDelay: Duration? { ResourceType.of(self).removalDelay }

    var isWhole: Bool { ResourceType.of(self).isWhole }
    var child: TypeURL? { ResourceType.of(self).child }
}

/// The order in which an aggregated stream serves its types: what is named comes before what names it.
public enum ServingOrder: Hashable, Sendable {
    /// CDS, EDS, LDS, RDS (xDS, "eventual consistency considerations").
    case listenersAfterEndpoints
    /// CDS, LDS, EDS, RDS: for clients whose endpoints are behind listeners of their own, which have to be there first.
    case listenersBeforeEndpoints

    func place(of type: TypeURL) -> Int {
        let places = ResourceType.of(type).places
        return switch self {
        case .listenersAfterEndpoints: places.listenersAfterEndpoints
        case .listenersBeforeEndpoints: places.listenersBeforeEndpoints
        }
    }
}
