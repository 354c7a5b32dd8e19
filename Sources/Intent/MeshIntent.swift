public import Model

/// The desired state of the mesh: its clusters, its services, and what other Ballasts may import.
///
/// A reload can change all of it; it contains nothing that sources report.
public struct MeshIntent: Hashable, Sendable {
    /// The cluster of clients that don't name one.
    public var cluster: ClusterName
    /// The clusters, ordered by name.
    public var clusters: [ClusterIntent]
    /// The listed services, ordered by name.
    public var services: [ServiceIntent]
    /// The settings of services that sources report but the configuration doesn't list; nil to leave those out.
    public var template: ServiceTemplate?
    /// What other Ballasts may import, ordered by peer name.
    public var exports: [Export]
    /// How this cluster's pods are published to an Istio gateway; nil if they aren't.
    public var publication: IstioPublication?

    /// Creates an intent.
    public init(
        cluster: ClusterName, clusters: [ClusterIntent], services: [ServiceIntent], template: ServiceTemplate? = nil,
        exports: [Export] = []
    ) {
        self.cluster = cluster
        self.clusters = clusters
        self.services = services
        self.template = template
        self.exports = exports
    }

    /// The intent for one cluster; nil if there is no such cluster.
    public subscript(cluster: ClusterName) -> ClusterIntent? { clusters.first { $0.name == cluster } }
}

/// A new intent, and what it changed.
public struct IntentChange: Hashable, Sendable {
    /// The new intent.
    public var intent: MeshIntent
    /// The listed services that were added, removed or changed.
    public var services: Set<ServiceName>
    /// Whether clusters were added or removed, or their reach, weight or locality changed; all services depend on
    /// these.
    public var changesClusters: Bool
    /// Whether the settings of unlisted services changed.
    public var changesTemplate: Bool
    /// Whether exports changed, or the cluster that they export.
    public var changesExports: Bool
}

extension MeshIntent {
    /// The changes since another intent; nil if there are none.
    ///
    /// - Parameter last: nil for the first intent, which changes everything.
    public func changes(since last: MeshIntent?) -> IntentChange? {
        guard let last else {
            return IntentChange(
                intent: self, services: Set(services.map(\.service.name)), changesClusters: true, changesTemplate: true,
                changesExports: true)
        }
        guard self != last else { return nil }
        let before = Dictionary(last.services.map { ($0.service.name, $0) }, uniquingKeysWith: { first, _ in first })
        let after = Dictionary(services.map { ($0.service.name, $0) }, uniquingKeysWith: { first, _ in first })
        let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
        return IntentChange(
            intent: self, services: changed,
            changesClusters: clusters.map(\.definition) != last.clusters.map(\.definition),
            changesTemplate: template != last.template,
            changesExports: exports != last.exports || cluster != last.cluster)
    }
}
