public import AdminAPI
import Balancing
import Discovery
public import Intent
public import Model
public import Overrides
public import Snapshots

/// Compares what another configuration would serve with what is served.
public struct ConfigurationPlan {
    /// The most services on a page.
    private static let maxServices = 1_000

    private let before: SnapshotBuilder
    private let tunings: Tunings
    private let view: ClientView

    /// Creates a plan.
    ///
    /// - Parameters:
    ///   - builder: what is in force.
    ///   - cluster: the cluster whose clients the shares are for.
    public init(_ builder: SnapshotBuilder, _ tunings: Tunings, _ cluster: ClusterName) {
        before = builder
        self.tunings = tunings
        view = ClientView(cluster: cluster, kind: .lanes)
    }

    /// The differences of an intent.
    ///
    /// - Parameters:
    ///   - pending: fields that would take effect at the next start only.
    ///   - clients: the number of clients' streams.
    public func page(_ intent: MeshIntent, pending: [String], clients: Int) -> ConfigurationPlanPage {
        var after = before
        var changes = RegistryChanges()
        changes.intent = intent.changes(since: before.currentIntent)
        for cluster in intent.clusters where cluster.gateways != before.currentIntent?[cluster.name]?.gateways {
            changes.gateways[cluster.name] = cluster.gateways.addresses
        }
        _ = after.build(changes, for: [.client(view)], tunings: tunings, at: .now)
        var services: [ConfigurationPlanPage.Service] = []
        var same = 0
        for name in before.names.union(after.names).sorted() {
            let (old, new) = (assignment(of: name, before), assignment(of: name, after))
            if old?.localities == new?.localities, old?.metadata == new?.metadata {
                same += 1
                continue
            }
            let clusters = Set((old?.shares ?? []).map(\.cluster)).union((new?.shares ?? []).map(\.cluster)).sorted()
            services.append(
                ConfigurationPlanPage.Service(
                    service: name.rawValue, change: old == nil ? "added" : new == nil ? "removed" : "changed",
                    clusters: clusters.map { cluster in
                        let (was, now) = (old?.share(of: cluster), new?.share(of: cluster))
                        return PlanPage.Cluster(
                            cluster: cluster.rawValue, before: percent(was?.share ?? 0),
                            after: percent(now?.share ?? 0),
                            reason: now?.reason ?? "not there", pods: [])
                    }))
        }
        let known = { (cluster: ClusterIntent) in
            before.currentIntent?[cluster.name]?.endpoints.isSame(as: cluster.endpoints) == true
        }
        return ConfigurationPlanPage(
            view: view.cluster.rawValue, services: Array(services.prefix(Self.maxServices)), same: same,
            pending: pending, clients: services.isEmpty ? 0 : clients,
            unknown: intent.clusters.filter { !known($0) }.map(\.name.rawValue))
    }

    private func assignment(of name: ServiceName, _ builder: SnapshotBuilder) -> Assignment? {
        builder.assignment(of: name, for: view, with: tunings)
    }
}

extension EndpointsSettings {
    /// Whether the pods come from the same source; files are compared by their names, as the text has no directory.
    fileprivate func isSame(as other: EndpointsSettings) -> Bool {
        let name = { (path: String) in path.split(separator: "/").last }
        switch (self, other) {
        case (.file(let left), .file(let right)), (.directory(let left), .directory(let right)):
            return name(left) == name(right)
        default: return self == other
        }
    }
}

extension Assignment {
    fileprivate func share(of cluster: ClusterName) -> ClusterShare? { shares.first { $0.cluster == cluster } }
}
