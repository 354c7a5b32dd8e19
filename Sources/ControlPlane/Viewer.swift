import EnvoyAPI
public import Model
import XDS

/// Who looks at the mesh: the cluster that a client is in, and what kind of client it is.
public struct Viewer: Hashable, Comparable, Sendable {
    /// Whose pods are local.
    public var cluster: ClusterName
    /// What can be sent.
    public var audience: Audience
    /// Whether endpoints are sent one by one, as collections.
    public var usesLEDS: Bool

    /// The other Ballast that it is, by its name in `export`; nil for clients.
    ///
    /// It sees what is exported to it, and nothing else.
    public var peer: String?

    /// A viewer.
    public init(cluster: ClusterName, audience: Audience, usesLEDS: Bool = false, peer: String? = nil) {
        self.cluster = cluster
        self.audience = audience
        self.usesLEDS = usesLEDS
        self.peer = peer
    }

    /// Orders by cluster; in each, the plain ones come first.
    public static func < (left: Viewer, right: Viewer) -> Bool {
        (left.cluster, left.rank, left.peer ?? "") < (right.cluster, right.rank, right.peer ?? "")
    }

    private var rank: Int {
        let place = Audience.allCases.firstIndex(of: audience) ?? 0
        return 2 * (audience == .plain ? -1 : place) + (usesLEDS ? 1 : 0)
    }
}

extension Audience {
    /// Lanes lead through listeners inside the client, which have to be there before the endpoints that name them.
    var servingOrder: ServingOrder {
        switch self {
        case .lanes: .listenersBeforeEndpoints
        case .plain, .grpc, .gateway: .listenersAfterEndpoints
        }
    }
}

extension Viewer {
    /// The view of a node on a stream of that method.
    ///
    /// Its cluster is the one that its metadata names, or its region, or the default.
    init(_ node: Node, _ method: Method?, in roster: Roster) {
        let claims = [node.metadata["cluster"], node.locality.region].compactMap {
            $0.map(ClusterName.init(rawValue:))
        }
        let audience = Audience(node)
        self.init(
            cluster: claims.first { roster.clusters.contains($0) } ?? roster.defaultCluster, audience: audience,
            usesLEDS: Self.takesLEDS(audience, method) && node.wantsLEDS(in: roster) && node.survivesLEDS
        )
    }
}

extension Viewer {
    /// Envoy takes collections over delta ADS only; a gateway's and a gRPC client's endpoints are never that many.
    static func takesLEDS(_ audience: Audience, _ method: Method?) -> Bool {
        method == .deltaAggregatedResources && (audience == .plain || audience == .lanes)
    }
}

extension Node {
    /// Whether it, or the configuration for it, asks for collections.
    func wantsLEDS(in roster: Roster) -> Bool { metadata["leds"].map { $0 == "true" } ?? roster.leds }

    /// False for Envoys that collections would end, or that don't say how old they are; whatever they ask for.
    var survivesLEDS: Bool {
        userAgent != Node.envoyAgent || envoyVersion.map { $0 >= .survivesCollections } == true
    }
}

extension Audience {
    /// What a node says that it can take.
    fileprivate init(_ node: Node) {
        if node.metadata["role"] == "gateway" {
            self = .gateway
        } else if node.isGRPC {
            self = .grpc
        } else {
            self = node.metadata["lanes"] == "true" ? .lanes : .plain
        }
    }
}
