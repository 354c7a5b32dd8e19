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
    /// Its east-west gateways.
    ///
    /// Where there is none, its pods are directly reachable from everywhere.
    public var gateways: [SocketAddress]
    /// How its pods appear to other networks' clients.
    public var reach: Reach

    /// A cluster.
    public init(
        name: ClusterName, network: String? = nil, locality: Locality = Locality(), gateways: [SocketAddress] = [],
        reach: Reach = .gateway
    ) {
        self.name = name
        self.network = network ?? name.rawValue
        self.locality = locality
        self.gateways = gateways
        self.reach = reach
    }
}

/// How a remote cluster's pods appear in EDS.
public enum Reach: String, Hashable, Sendable, CaseIterable {
    /// One endpoint for each gateway address, weighted by the pods behind it.
    case gateway
}
