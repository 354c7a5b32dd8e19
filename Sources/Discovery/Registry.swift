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

/// What has changed in a registry since it was asked last.
public struct RegistryChanges: Sendable {
    /// The configuration, where there is a new one: `pods` has all services then.
    public var configuration: Configuration?
    /// All pods of each service of which something changed.
    public var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    /// When the oldest of the changes was told; nil where there is none.
    public var since: ContinuousClock.Instant?
}

/// Gathers what the sources tell.
///
/// A failing source changes nothing: its last good state stays. That holds over a change of its settings too.
public actor Registry {
    private struct Known {
        var source: SourceID
        var pods: [ServiceName: [Pod]]?
        var podCount = 0
        var staleReason: String?

        /// Replaces a service's pods; false where they are the same.
        mutating func replace(_ service: ServiceName, with pods: [Pod]) -> Bool {
            let last = self.pods?[service] ?? []
            guard last != pods else { return false }
            podCount += pods.count - last.count
            self.pods?[service] = pods.isEmpty ? nil : pods
            return true
        }
    }

    private var configuration: Configuration
    private var known: [ClusterName: Known] = [:]
    private var isSynced = false
    /// Not yet taken.
    private var isReconfigured = true
    private var changedServices: Set<ServiceName> = []
    private var changedSince: ContinuousClock.Instant?
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
        // A report and a configuration can both be what was still missing.
        isSynced = isSynced || known.values.allSatisfy { $0.pods != nil }
        isReconfigured = true
        noteChange()
    }

    /// Takes a source's report.
    ///
    /// One that the configuration no longer names is ignored.
    ///
    /// - Returns: whether the report says anything new.
    @discardableResult
    public func receive(_ report: SourceReport, from source: SourceID) -> Bool {
        // Taken out, so that its pods are changed in place.
        guard var entry = known.removeValue(forKey: source.cluster) else { return false }
        defer { known[source.cluster] = entry }
        guard entry.source == source else { return false }
        var isNews = false
        switch report {
        case .pods(let pods):
            isNews = entry.pods == nil
            let last = entry.pods ?? [:]
            entry.pods = last
            for (service, pods) in pods { isNews = replace(service, with: pods, in: &entry) || isNews }
            for service in last.keys where pods[service] == nil {
                isNews = replace(service, with: [], in: &entry) || isNews
            }
            isNews = entry.staleReason != nil || isNews
            entry.staleReason = nil
        case .changes(let services):
            guard entry.pods != nil else { return false }
            for (service, pods) in services { isNews = replace(service, with: pods, in: &entry) || isNews }
            isNews = entry.staleReason != nil || isNews
            entry.staleReason = nil
        case .failure(let reason):
            isNews = entry.staleReason != reason
            entry.staleReason = reason
        }
        guard isNews else { return false }
        isSynced = isSynced || entry.pods != nil && known.values.allSatisfy { $0.pods != nil }
        noteChange()
        return true
    }

    /// What has changed since the last time; everything, the first time.
    ///
    /// Nil until there is enough to serve: see `RegistryState.isSynced`.
    public func takeChanges() -> RegistryChanges? {
        guard isSynced else { return nil }
        var changes = RegistryChanges(since: changedSince)
        if isReconfigured {
            changes.configuration = configuration
            for entry in known.values { changedServices.formUnion(entry.pods?.keys ?? [:].keys) }
        }
        for service in changedServices {
            changes.pods[service] = known.compactMapValues { $0.pods?[service] }
        }
        isReconfigured = false
        changedServices = []
        changedSince = nil
        return changes
    }

    private func replace(_ service: ServiceName, with pods: [Pod], in entry: inout Known) -> Bool {
        guard entry.replace(service, with: pods) else { return false }
        changedServices.insert(service)
        return true
    }

    private func noteChange() {
        changedSince = changedSince ?? .now
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
                    podCount: entry.podCount
                )
            },
            isSynced: isSynced
        )
    }
}
