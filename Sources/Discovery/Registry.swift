public import Balancing
public import MeshConfiguration

/// The current whole truth from all sources, and the wishes of the configuration.
public struct RegistryState: Hashable, Sendable {
    /// The configuration in force.
    public var configuration: Configuration
    /// Its clusters, and the last good state of each one's source.
    public var mesh: Mesh
    /// In the order of the clusters' names.
    public var sources: [SourceStatus]
    /// Whether there is enough to serve: each source of the first configuration has delivered once.
    ///
    /// A cluster that a later configuration adds doesn't take that back: until its source delivers, it is served
    /// without pods.
    public var isSynced: Bool
}

/// Gathers what the sources tell.
///
/// A failing source changes nothing: its last good state stays. That holds over a change of its settings too.
public actor Registry {
    private struct Known {
        var source: SourceID
        var pods: [ServiceName: [Pod]]?
        var staleReason: String?
    }

    private var configuration: Configuration
    private var known: [ClusterName: Known] = [:]
    private var isSynced = false
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called after every change of the state; not called when a report says nothing new.
    public init(_ configuration: Configuration, changed: @escaping @Sendable () -> Void) {
        self.configuration = configuration
        self.changed = changed
        for source in configuration.clusters { known[source.cluster.name] = Known(source: SourceID(source)) }
    }

    /// Puts a new configuration in force.
    public func configure(_ configuration: Configuration) {
        self.configuration = configuration
        var next: [ClusterName: Known] = [:]
        for source in configuration.clusters {
            let id = SourceID(source)
            var known = known[source.cluster.name] ?? Known(source: id)
            if known.source != id {
                known.source = id
                known.staleReason = known.pods == nil ? nil : "its new source, \(id.description), has not delivered yet"
            }
            next[source.cluster.name] = known
        }
        known = next
        noteChange()
    }

    /// Takes a source's report.
    ///
    /// One that the configuration no longer names is ignored.
    ///
    /// - Returns: whether the report says anything new.
    @discardableResult
    public func receive(_ report: SourceReport, from source: SourceID) -> Bool {
        guard var entry = known[source.cluster], entry.source == source else { return false }
        switch report {
        case .pods(let pods):
            guard entry.pods != pods || entry.staleReason != nil else { return false }
            entry.pods = pods
            entry.staleReason = nil
        case .failure(let reason):
            guard entry.staleReason != reason else { return false }
            entry.staleReason = reason
        }
        known[source.cluster] = entry
        noteChange()
        return true
    }

    /// Every change ends here: a report and a configuration can both be what was still missing.
    private func noteChange() {
        isSynced = isSynced || known.values.allSatisfy { $0.pods != nil }
        changed()
    }

    /// The current state.
    public var state: RegistryState {
        RegistryState(
            configuration: configuration,
            mesh: Mesh(clusters: configuration.clusters.map(\.cluster), pods: known.compactMapValues(\.pods)),
            sources: known.values.sorted { $0.source.cluster < $1.source.cluster }.map { entry in
                SourceStatus(
                    source: entry.source, isSynced: entry.pods != nil, staleReason: entry.staleReason,
                    podCount: entry.pods?.values.reduce(0) { $0 + $1.count } ?? 0
                )
            },
            isSynced: isSynced
        )
    }
}
