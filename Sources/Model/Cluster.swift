/// A member of the federation, and how clients elsewhere reach its pods.
public struct Cluster: Hashable, Sendable {
    /// The cluster's name, such as `east`.
    public var name: ClusterName
    /// The cluster's network: clusters of one network reach each other's pods directly.
    ///
    /// By default each cluster is a network of its own.
    public var network: String
    /// The locality of the cluster's endpoints; a pod's own zone overrides its zone.
    public var locality: Locality
    /// The addresses of the cluster's east-west gateways; names must be resolved first, since EDS takes addresses only.
    ///
    /// If empty, the pods are directly reachable from everywhere.
    public var gateways: [SocketAddress]
    /// How the pods appear to clients of other networks.
    public var reach: Reach
    /// The largest share of a service's traffic that the cluster may take while other clusters can take the rest, 0 to
    /// 1; nil for no limit.
    public var maxShare: Ratio?
    /// The metadata of the cluster's endpoints; it counts over the service's.
    public var metadata: EndpointMetadata = [:]

    /// Creates a cluster; its network is `name` by default.
    public init(
        name: ClusterName, network: String? = nil, locality: Locality = Locality(), gateways: [SocketAddress] = [],
        reach: Reach = .gateway(refresh: false)
    ) {
        self.name = name
        self.network = network ?? name.rawValue
        self.locality = locality
        self.gateways = gateways
        self.reach = reach
    }

    /// Whether clients of a network connect to the cluster's pods directly.
    public func isDirect(from network: String) -> Bool { self.network == network || gateways.isEmpty }
}

extension ClusterName {
    /// The name of the internal listener, and of its Envoy cluster, that lead clients to this cluster's gateways.
    public var gatewayListener: String { "\(rawValue)_gateway" }
    /// The name of the internal listener, and of its Envoy cluster, that tunnel to one pod each of this cluster.
    public var podListener: String { "\(rawValue)_pods" }
}
