public import Model

/// A cluster of the mesh, and where its pods and gateways are learned.
public struct ClusterIntent: Hashable, Sendable {
    /// The cluster without its gateways, which its sources know.
    var definition: Cluster
    /// Where its pods are learned.
    public var endpoints: EndpointsSettings
    /// Where its gateways are learned.
    public var gateways: GatewaysSettings
    /// When its services are held as they shrink; nil for never.
    public var shrinkGuard: ShrinkGuard?

    /// A cluster and its sources.
    ///
    /// - Parameter cluster: any gateways in it are left out.
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

    /// How its pods appear to other networks' clients.
    public var reach: Reach { definition.reach }

    /// The cluster, reached through these gateways.
    public func cluster(gateways: [SocketAddress]) -> Cluster {
        var cluster = definition
        cluster.gateways = gateways
        return cluster
    }
}

/// Where a cluster's pods are learned.
public enum EndpointsSettings: Hashable, Sendable {
    /// From a file of that path, watched.
    case file(String)
    /// From a Kubernetes API server's EndpointSlices.
    case kubernetes(KubernetesEndpoints)
    /// From the Ballast of the cluster itself, which exports them.
    case ballast(BallastPeer)

    /// The services that are known to come from there; there may be more.
    public var services: [ServiceName] {
        if case .kubernetes(let settings) = self { Array(settings.services.keys) } else { [] }
    }
}

/// Where a cluster's gateways are learned.
public enum GatewaysSettings: Hashable, Sendable {
    /// As written; host names among them are looked up in DNS. Empty where pods are reached directly.
    case listed([Gateway])
    /// From a Kubernetes API server's Services.
    case kubernetes(KubernetesGateways)
    /// From the Ballast that exports the cluster's pods.
    case exported

    /// Those that are known without asking anyone.
    public var addresses: [SocketAddress] {
        guard case .listed(let gateways) = self else { return [] }
        return gateways.compactMap { if case .address(let address) = $0 { address } else { nil } }
    }

    /// Whether pods are reached directly.
    public var isEmpty: Bool { self == .listed([]) }
}

/// When a service that shrinks is held.
public struct ShrinkGuard: Hashable, Sendable {
    /// The share of a cluster's endpoints of a service that may go at once, from 0 to 1.
    public var share = 0.5
    /// Sets smaller than this may lose any share, but not all.
    public var from = 4
    /// How long endpoints are held whose source no longer names them, without evidence that they are gone.
    public var holdFor = Duration.seconds(300)
    /// With evidence, `share` may go within this time.
    public var pace = Duration.seconds(10)

    /// The defaults.
    public init() {}
}
