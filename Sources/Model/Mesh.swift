/// A federated mesh as its sources tell it: the clusters, and where each service's pods are.
public struct Mesh: Hashable, Sendable {
    /// All clusters, in any order.
    public var clusters: [Cluster]
    /// Every cluster's pods, by service.
    ///
    /// A cluster without a service has none of its pods.
    public var pods: [ClusterName: [ServiceName: [Pod]]]

    /// A mesh.
    public init(clusters: [Cluster], pods: [ClusterName: [ServiceName: [Pod]]]) {
        self.clusters = clusters
        self.pods = pods
    }
}
