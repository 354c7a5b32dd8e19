/// What clients balance over, with its configured policy.
public struct Service: Hashable, Sendable {
    /// How traffic is divided between clusters.
    public enum Balance: String, Hashable, Sendable, CaseIterable {
        /// All clusters share the traffic.
        case global
        /// The client's own cluster has priority 0; the others have priority 1 and take over when it fails.
        case localFirst = "local-first"
    }

    /// The service's name, such as `httpbin`.
    public var name: ServiceName
    /// How traffic is divided between clusters.
    public var balance: Balance
    /// The multiplier of each cluster, applied to its pods' own weights.
    ///
    /// The default is 1; 0 takes the cluster out.
    public var weights: [ClusterName: Ratio]
    /// The shares that some clusters get whatever their pods are, in millionths of the traffic; their sum is at most
    /// 1,000,000.
    ///
    /// They replace these clusters' multipliers; the other clusters share the rest.
    public var shares: [ClusterName: UInt64] = [:]
    /// The SNI that stands for any of the service's pods, at every gateway.
    ///
    /// If nil, Ballast's own gateways use a default: see `sni(at:)`.
    public var sni: DNSName?
    /// The port that clients use, if it differs from the pods' own; SNIs may contain it.
    public var port: UInt16?
    /// The metadata of every endpoint.
    public var metadata: EndpointMetadata = [:]
    /// Settings for clients that get the service's Envoy cluster from Ballast.
    public var client = ClientSettings()

    /// The SNI that stands for any of the service's pods at a cluster's gateways: `sni`, or else
    /// `SERVICE.CLUSTER.ballast`.
    ///
    /// In the default, `_` replaces the dots of the service's name. A pod's SNI has one label more, so it is never the
    /// same. Nil if the default would not be a host name, or if another service or the cluster's SNI template could
    /// produce the same name.
    public func sni(at cluster: Cluster) -> DNSName? {
        if let sni { return sni }
        if case .pods(let template) = cluster.reach, template != .standard { return nil }
        guard !name.rawValue.contains("_") else { return nil }
        return DNSName("\(name.rawValue.replacing(".", with: "_")).\(cluster.name).ballast")
    }

    /// Creates a service; by default it is global, with multiplier 1 for every cluster.
    public init(name: ServiceName, balance: Balance = .global, weights: [ClusterName: Ratio] = [:]) {
        self.name = name
        self.balance = balance
        self.weights = weights
    }
}
