/// How a remote cluster's pods appear in EDS.
public enum Reach: Hashable, Sendable {
    /// One endpoint for each gateway address, weighted by the pods behind it.
    ///
    /// With `refresh`, the endpoints' identities change when pods are added, so that clients open new connections.
    case gateway(refresh: Bool)
    /// Several endpoints for each gateway, each with its own connections.
    case lanes(LaneSettings)
    /// One endpoint for each pod; the gateway selects the pod by SNI.
    case pods(sni: SNITemplate)
    /// The pods' own addresses, reached through the gateway as an HTTP CONNECT proxy.
    case connect
    /// One endpoint for each pod; the gateway selects the pod by the authority of a CONNECT request (Istio's HBONE).
    case hbone(HBONESettings)

    /// A reach without its settings, as named in the configuration.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// See `Reach.gateway`.
        case gateway
        /// See `Reach.lanes`.
        case lanes
        /// See `Reach.pods`.
        case pods
        /// See `Reach.connect`.
        case connect
        /// See `Reach.hbone`.
        case hbone
    }

    /// The kind of this reach.
    public var kind: Kind {
        switch self {
        case .gateway: .gateway
        case .lanes: .lanes
        case .pods: .pods
        case .connect: .connect
        case .hbone: .hbone
        }
    }

    /// Whether endpoints refer to an internal listener in the client.
    public var needsInternalListener: Bool {
        switch self {
        case .gateway, .connect: false
        case .lanes, .pods, .hbone: true
        }
    }

    /// Whether clients without internal listeners can use the gateways; if not, they get no endpoints of the cluster.
    public var acceptsEveryClient: Bool { kind != .hbone }
}

/// How clients tunnel through an ambient east-west gateway: a CONNECT to the gateway, and in it one to the pod's node.
///
/// The first tells the gateway the pod; the second is end to end, so that the pod's node sees the client's identity.
public struct HBONESettings: Hashable, Sendable {
    /// The authority of each pod.
    public var authorities: AuthorityTemplate
    /// TLS to the gateways.
    public var gateway: ClientSettings.TLS
    /// TLS through the gateways, to what ends tunnels for the pods (ztunnel).
    public var pods: ClientSettings.TLS

    /// Creates settings.
    public init(
        authorities: AuthorityTemplate = .standard, gateway: ClientSettings.TLS, pods: ClientSettings.TLS
    ) {
        self.authorities = authorities
        self.gateway = gateway
        self.pods = pods
    }
}

/// How many lanes lead through each gateway, and how lanes change when pods are added.
public struct LaneSettings: Hashable, Sendable {
    /// How the gateway picks a pod for a new connection.
    public enum GatewayPolicy: String, Hashable, Sendable, CaseIterable {
        /// The pod with the fewest connections: new lanes reach new pods, so old lanes can stay.
        case leastRequest = "LEAST_REQUEST"
        /// Each pod in turn: new pods get their share only when old lanes are reopened.
        case roundRobin = "ROUND_ROBIN"
    }

    /// The number of lanes for each healthy pod.
    public var perPod: Int
    /// The maximum number of lanes through each gateway.
    public var most: Int
    /// How the gateway picks a pod.
    public var gatewayPolicy: GatewayPolicy

    /// Creates settings; the defaults are 4 lanes for each pod and at most 64.
    public init(perPod: Int = 4, most: Int = 64, gatewayPolicy: GatewayPolicy = .leastRequest) {
        self.perPod = perPod
        self.most = most
        self.gatewayPolicy = gatewayPolicy
    }

    /// The maximum number of lanes through all gateways of a cluster; each gateway has at least one lane regardless.
    public static let maxOfAll = 4_096

    /// The number of lanes through this many gateways to this many healthy pods.
    public func count(pods: Int, gateways: Int) -> Int {
        let maxOfOne = min(most, max(1, Self.maxOfAll / max(gateways, 1)))
        return max(1, min(maxOfOne, perPod * pods)) * gateways
    }
}
