/// The properties of a type of resource in the protocol: a row for each type that this server has.
public struct ResourceType: Sendable {
    /// A gRPC service for one type.
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
    /// The name of its discovery service in short, such as `CDS`; nil for a type of Ballast's own.
    public let acronym: String?
    /// Nil if the type is served over aggregated streams only.
    public let service: Service?
    /// Whether each SotW response has all wanted resources, so that a missing one doesn't exist, and whether clients may use
    /// the wildcard.
    ///
    /// xDS, "grouping resources into responses" and "how the client specifies what resources to return": this holds for CDS
    /// and LDS only.
    let isWhole: Bool
    /// Whether delta clients may use the wildcard.
    let hasWildcard: Bool
    /// Whether an empty resource is sent for one that doesn't exist, so that a starting Envoy doesn't wait.
    let hasVacancy: Bool
    /// The type that must be sent again after this one, because Envoy warms until then: an Envoy cluster's endpoints, a
    /// listener's routes.
    ///
    /// These resources have their parent's name.
    let child: TypeURL?
    /// The place in each `ServingOrder`.
    let places: (listenersAfterEndpoints: Int, listenersBeforeEndpoints: Int)
    /// How long a resource is served after it is no longer needed, so that those that refer to it go first.
    public let removalDelay: Duration?

    private init(
        _ url: TypeURL, _ acronym: String?, _ service: Service?, isWhole: Bool = false, hasWildcard: Bool = false,
        hasVacancy: Bool = false,
        child: TypeURL? = nil, places: (Int, Int), removalDelay: Duration? = nil
    ) {
        self.url = url
        self.acronym = acronym
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
            .cluster, "CDS", Service(package: "cluster", name: "Cluster", resources: "Clusters"), isWhole: true,
            hasWildcard: true, child: .clusterLoadAssignment, places: (0, 0), removalDelay: .seconds(4)),
        ResourceType(
            .listener, "LDS", Service(package: "listener", name: "Listener", resources: "Listeners"), isWhole: true,
            hasWildcard: true, child: .routeConfiguration, places: (3, 1), removalDelay: .seconds(2)),
        ResourceType(
            .routeConfiguration, "RDS", Service(package: "route", name: "Route", resources: "Routes"), places: (4, 4)),
        ResourceType(
            .clusterLoadAssignment, "EDS", Service(package: "endpoint", name: "Endpoint", resources: "Endpoints"),
            hasVacancy: true, places: (2, 2)),
        ResourceType(.endpoint, "LEDS", nil, places: (5, 5)),
        ResourceType(.exportedService, nil, nil, hasWildcard: true, places: (6, 6)),
    ]

    /// A type that clients may subscribe to although this server doesn't have it.
    private static let unknown = ResourceType(TypeURL(rawValue: ""), nil, nil, places: (6, 6))

    /// The row of a type.
    static func of(_ url: TypeURL) -> ResourceType { all.first { $0.url == url } ?? unknown }
}

extension TypeURL {
    /// Nil for a type that this server doesn't have.
    public var removalDelay: Duration? { ResourceType.of(self).removalDelay }

    /// The name of its discovery service in short, such as `CDS`; nil for a type without.
    public var acronym: String? { ResourceType.of(self).acronym }

    var isWhole: Bool { ResourceType.of(self).isWhole }
    var child: TypeURL? { ResourceType.of(self).child }
}

/// The order in which an aggregated stream serves its types: a resource comes before those that refer to it.
public enum ServingOrder: Hashable, Sendable {
    /// CDS, EDS, LDS, RDS (xDS, "eventual consistency considerations").
    case listenersAfterEndpoints
    /// CDS, LDS, EDS, RDS: for clients whose endpoints refer to internal listeners, which must exist before.
    case listenersBeforeEndpoints

    func place(of type: TypeURL) -> Int {
        let places = ResourceType.of(type).places
        return switch self {
        case .listenersAfterEndpoints: places.listenersAfterEndpoints
        case .listenersBeforeEndpoints: places.listenersBeforeEndpoints
        }
    }
}
