/// How a remote cluster's pods appear in EDS.
public enum Reach: Hashable, Sendable {
    /// One endpoint for each gateway address, weighted by the pods behind it.
    ///
    /// With `refresh` the endpoints become others when pods are added, so that clients open new connections.
    case gateway(refresh: Bool)
    /// Several identities for each gateway, each with connections of its own.
    case lanes(LaneSettings)
    /// One identity for each pod, which the gateway tells by its SNI.
    case pods(sni: SNITemplate)
    /// The pods' own addresses, through the gateway as an HTTP CONNECT proxy.
    case connect

    /// Without its settings, as the configuration names it.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// See `Reach.gateway`.
        case gateway
        /// See `Reach.lanes`.
        case lanes
        /// See `Reach.pods`.
        case pods
        /// See `Reach.connect`.
        case connect
    }

    /// Which of them.
    public var kind: Kind {
        switch self {
        case .gateway: .gateway
        case .lanes: .lanes
        case .pods: .pods
        case .connect: .connect
        }
    }

    /// Whether endpoints name a listener inside the client.
    public var needsInternalListener: Bool {
        switch self {
        case .gateway, .connect: false
        case .lanes, .pods: true
        }
    }
}

/// How many lanes lead through each gateway, and what becomes of them when pods are added.
public struct LaneSettings: Hashable, Sendable {
    /// How the gateway picks a pod for a new connection.
    public enum GatewayPolicy: String, Hashable, Sendable, CaseIterable {
        /// The pod with the fewest connections: new lanes fill new pods, and old ones can stay.
        case leastRequest = "LEAST_REQUEST"
        /// One after the other: new pods get their part only where old lanes are opened anew.
        case roundRobin = "ROUND_ROBIN"
    }

    /// For each healthy pod.
    public var perPod: Int
    /// For each gateway, however many pods there are.
    public var most: Int
    /// How the gateway picks.
    public var gatewayPolicy: GatewayPolicy

    /// 4 for each pod, and not more than 64.
    public init(perPod: Int = 4, most: Int = 64, gatewayPolicy: GatewayPolicy = .leastRequest) {
        self.perPod = perPod
        self.most = most
        self.gatewayPolicy = gatewayPolicy
    }

    /// Lanes through all gateways of a cluster together, unless there are more gateways than that.
    public static let mostOfAll = 4_096

    /// How many lead through so many gateways to so many healthy pods.
    public func count(pods: Int, gateways: Int) -> Int {
        let mostOfOne = min(most, max(1, Self.mostOfAll / max(gateways, 1)))
        return max(1, min(mostOfOne, perPod * pods)) * gateways
    }
}
