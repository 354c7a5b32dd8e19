public import Model

/// A configured cluster, and the sources of its pods and gateways.
public struct ClusterIntent: Hashable, Sendable {
    /// The cluster without its gateways, which come from its sources.
    var definition: Cluster
    /// The source of its pods.
    public var endpoints: EndpointsSettings
    /// The source of its gateways.
    public var gateways: GatewaysSettings
    /// When pods are held that disappear from their source; nil for never.
    public var shrinkGuard: ShrinkGuard?

    /// Creates a cluster and its sources.
    ///
    /// - Parameter cluster: its gateways are ignored.
    public init(
        _ cluster: Cluster, endpoints: EndpointsSettings, gateways: GatewaysSettings, shrinkGuard: ShrinkGuard? = nil
    ) {
        definition = cluster
        definition.gateways = []
        self.endpoints = endpoints
        self.gateways = gateways
        self.shrinkGuard = shrinkGuard
    }

    /// Its name.
    public var name: ClusterName { definition.name }

    /// How the pods appear to clients of other networks.
    public var reach: Reach { definition.reach }

    /// The names of the listeners that lead to it; no service's resource may have them.
    public var listeners: [String] { [name.gatewayListener] + (reach.kind == .hbone ? [name.podListener] : []) }

    /// The cluster with these gateways.
    public func cluster(gateways: [SocketAddress]) -> Cluster {
        var cluster = definition
        cluster.gateways = gateways
        return cluster
    }
}

/// The source of a cluster's pods.
public enum EndpointsSettings: Hashable, Sendable {
    /// A file at this path, which is watched.
    case file(String)
    /// The files of a directory at this path, which are watched.
    case directory(String)
    /// The EndpointSlices of a Kubernetes API server.
    case kubernetes(KubernetesEndpoints)
    /// The cluster's own Ballast, which exports its pods.
    case ballast(BallastPeer)

    /// The services that the settings name; the source may deliver more.
    public var services: [ServiceName] {
        if case .kubernetes(let settings) = self { Array(settings.services.keys) } else { [] }
    }
}

/// The source of a cluster's gateways.
public enum GatewaysSettings: Hashable, Sendable {
    /// A fixed list, in which host names are resolved in DNS; empty if pods are reached directly.
    case listed([Gateway])
    /// The Services of a Kubernetes API server.
    case kubernetes(KubernetesGateways)
    /// The Ballast that exports the cluster's pods.
    case exported

    /// The addresses that need no lookup.
    public var addresses: [SocketAddress] {
        guard case .listed(let gateways) = self else { return [] }
        return gateways.compactMap { if case .address(let address) = $0 { address } else { nil } }
    }

    /// Whether pods are reached directly.
    public var isEmpty: Bool { self == .listed([]) }
}

/// When pods are held that disappear from their source, because a service shrinks too much at once.
public struct ShrinkGuard: Hashable, Sendable {
    /// The share of a cluster's endpoints of a service that may disappear at once, 0 to 1.
    public var share = 0.5
    /// The smallest set to which `share` applies; a smaller set may lose any share, but not all.
    public var from = 4
    /// How long endpoints are held that their source no longer reports, without evidence that they are gone.
    public var holdFor = Duration.seconds(300)
    /// With evidence, `share` of the endpoints may go in each period of this length.
    public var pace = Duration.seconds(10)

    /// Creates a guard with the defaults.
    public init() {}
}
