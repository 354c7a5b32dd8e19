public import Balancing
public import Discovery
public import XDS

/// What a control plane is doing, as a value to look at.
public struct Status: Sendable {
    /// Whether it serves: every source has delivered once.
    public var isReady: Bool
    /// How each source is doing, in the order of the clusters' names.
    public var sources: [SourceStatus]
    /// The cluster of the clients that say nothing else.
    public var defaultCluster: ClusterName
    /// What the clients of each cluster are served; empty before the first snapshot.
    public var services: [ClusterName: [ServiceStatus]]
}

/// What is served of one service.
public struct ServiceStatus: Hashable, Sendable {
    /// The service.
    public var service: Service
    /// Its EDS resources.
    public var resources: [VersionedName]
    /// Who gets how much, and why.
    public var assignment: Assignment
}

/// One stream of one client.
public struct ClientStatus: Sendable {
    /// Node id; empty before the first request.
    public var node: String
    /// The node's `cluster`, Envoy's `--service-cluster`.
    public var nodeCluster: String
    /// `envoy`, or gRPC's name.
    public var userAgent: String
    /// The other end's address.
    public var peer: String
    /// The method that the stream called.
    public var method: String
    /// The cluster whose view it is served.
    public var view: ClusterName?
    /// What it wants and has, by type.
    public var subscriptions: [(type: TypeURL, subscription: SubscriptionStatus)]
}
