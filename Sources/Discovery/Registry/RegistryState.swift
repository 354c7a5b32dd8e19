public import Foundation
public import Intent
public import Model

/// What a registry knows at one moment.
public struct RegistryState: Hashable, Sendable {
    /// The intent in force.
    public var intent: MeshIntent
    /// Its clusters with their gateways, in the order of their names.
    public var clusters: [Cluster]
    /// What is served of each cluster.
    public var pods: [ClusterName: [ServiceName: [Pod]]]
    /// In the order of the clusters' names; names in DNS come last.
    public var sources: [SourceStatus]
    /// In the order of the clusters' and the services' names.
    public var holds: [HoldStatus]
    /// Whether there is enough to serve: something is known from each source of the first intent.
    ///
    /// A cluster that a later intent adds doesn't take that back: until its source delivers, it is served without pods.
    public var isSynced: Bool
    /// What sources bring that isn't used, and services of which nothing is known; each a sentence.
    public var problems: Set<String>
}

/// What changed in a registry since the last time that this was asked.
public struct RegistryChanges: Sendable {
    /// Whether there is enough to serve clients: see `RegistryState.isSynced`.
    ///
    /// Until then, only what this cluster exports may be served.
    public var isComplete = true
    /// Nil if the intent is the same.
    public var intent: IntentChange?
    /// The gateways of each cluster that has others now, or is new.
    public var gateways: [ClusterName: [SocketAddress]] = [:]
    /// All pods of each service of which something changed.
    public var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    /// When the oldest of the changes was reported; nil if there is none.
    public var since: ContinuousClock.Instant?
    /// When the next hold ends, or some of its pods go.
    public var nextRelease: ContinuousClock.Instant?
    /// How many pods are held now.
    public var heldCount = 0
    /// Holds that began or ended, in the order of time; at most 1,000.
    public var holds: [HoldChange] = []
    /// Since when this cluster's own source is stale; nil if it isn't.
    public var ownStaleSince: Date?
    /// How many sources, and names in DNS, are stale now.
    public var staleCount = 0
    /// What sources bring that isn't used, each a sentence.
    public var problems: Set<String> = []

    /// No changes.
    public init() {}

    /// Whether nothing has changed.
    public var isEmpty: Bool { intent == nil && gateways.isEmpty && pods.isEmpty && since == nil }
}

/// What became of a source's report.
public struct ReportOutcome: Hashable, Sendable {
    /// Whether it brought something new.
    public var isNews = false
    /// Whether the source is stale now.
    public var isStale = false
    /// Whether something is known from it, or from before this program started.
    public var hasState = false
}

/// How a source is doing.
public struct SourceStatus: Hashable, Sendable {
    /// The cluster; nil for a name in DNS, which several clusters may have.
    public var cluster: ClusterName?
    /// Which source, for people.
    public var description: String
    /// Whether it has delivered since this program started.
    public var isSynced: Bool
    /// Why its last good state may be out of date; nil while all is well.
    public var staleReason: String?
    /// Since when.
    public var staleSince: Date?
    /// When it last confirmed its state.
    public var confirmed: Date?
    /// What it can't use, though everything else is well.
    public var problems: [String]
    /// How many pods it knows, of all services.
    public var podCount: Int
    /// The gateways or addresses that it knows; nil for a source of pods alone.
    public var gateways: [String]?
}
