/// A member of the federation, and how others reach its pods.
public struct Cluster: Hashable, Sendable {
    /// Its name, such as `east`.
    public var name: ClusterName
    /// Clusters of one network reach each other's pods directly.
    ///
    /// Each cluster is a network of its own unless it says otherwise.
    public var network: String
    /// The locality of its endpoints; a pod's own zone goes before this one's.
    public var locality: Locality
    /// Where its east-west gateways take connections, by address: endpoints can't be names.
    ///
    /// Where there is none, its pods are directly reachable from everywhere.
    public var gateways: [SocketAddress]
    /// How its pods appear to other networks' clients.
    public var reach: Reach
    /// The share of a service's traffic that it may take at most, between 0 and 1, as long as others can take the rest; nil
    /// for any.
    public var maxShare: Ratio?

    /// A cluster.
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

    /// Whether clients of a network connect to its pods themselves.
    public func isDirect(from network: String) -> Bool { self.network == network || gateways.isEmpty }
}

extension ClusterName {
    /// The name of the internal listener, and of the Envoy cluster behind it, that lead a client to this cluster's gateways.
    public var gatewayListener: String { "\(rawValue)_gateway" }
}
