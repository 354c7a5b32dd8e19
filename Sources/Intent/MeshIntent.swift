public import Model

/// What people want of the mesh: its clusters, its services, and what other Ballasts may import.
///
/// It has no setting that only a start can change, and nothing that sources bring.
public struct MeshIntent: Hashable, Sendable {
    /// The cluster of clients that don't name one.
    public var cluster: ClusterName
    /// In the order of their names.
    public var clusters: [ClusterIntent]
    /// The listed services, in the order of their names.
    public var services: [ServiceIntent]
    /// What services are like that sources bring and nobody listed; nil if those are left out.
    public var template: ServiceTemplate?
    /// What other Ballasts may import, in the order of their names.
    public var exports: [Export]

    /// An intent.
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

    /// What is wanted of one of its clusters; nil for any other.
    public subscript(cluster: ClusterName) -> ClusterIntent? { clusters.first { $0.name == cluster } }
}

/// A newer intent, and what it changed.
public struct IntentChange: Hashable, Sendable {
    /// The newer one.
    public var intent: MeshIntent
    /// The listed services that came, went, or are wanted otherwise.
    public var services: Set<ServiceName>
    /// Whether clusters came or went, or how one is reached, weighted or located; all services depend on that.
    public var changesClusters: Bool
    /// Whether services that nobody listed are wanted otherwise.
    public var changesTemplate: Bool
    /// Whether other Ballasts may import something else, or from another cluster.
    public var changesExports: Bool
}

extension MeshIntent {
    /// What this one changed; nil if nothing.
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
