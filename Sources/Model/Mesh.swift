/// The mesh from one service's point of view: all clusters, and the service's pods in each.
public struct Mesh: Hashable, Sendable {
    /// All clusters, in any order.
    public var clusters: [Cluster]
    /// The service's pods by cluster; clusters without pods may be missing.
    public var pods: [ClusterName: [Pod]]

    /// Creates a mesh.
    public init(clusters: [Cluster], pods: [ClusterName: [Pod]]) {
        self.clusters = clusters
        self.pods = pods
    }
}
