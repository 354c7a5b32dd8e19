/// The mesh as one service sees it: all clusters, and where the service's pods are.
public struct Mesh: Hashable, Sendable {
    /// All clusters, in any order.
    public var clusters: [Cluster]
    /// Each cluster's pods of the service; a cluster without any may be missing.
    public var pods: [ClusterName: [Pod]]

    /// A mesh.
    public init(clusters: [Cluster], pods: [ClusterName: [Pod]]) {
        self.clusters = clusters
        self.pods = pods
    }
}
