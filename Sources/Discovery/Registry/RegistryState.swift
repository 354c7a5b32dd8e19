public import Foundation
public import Intent
public import Model

/// The registry's state at one moment.
public struct RegistryState: Hashable, Sendable {
    /// The current intent.
    public var intent: MeshIntent
    /// The intent's clusters with their gateways, ordered by name.
    public var clusters: [Cluster]
    /// The pods served, by cluster and service.
    public var pods: [ClusterName: [ServiceName: [Pod]]]
    /// Ordered by cluster name; DNS names come last.
    public var sources: [SourceStatus]
    /// Ordered by cluster and service name.
    public var holds: [HoldStatus]
    /// Whether there is enough to serve: the state of each source of the first intent is known.
    ///
    /// A cluster that a later intent adds doesn't revoke that. It is served without pods until its source delivers.
    public var isSynced: Bool
    /// Input that is left out, and services without pods; one sentence each.
    public var problems: Set<String>
}

/// The changes in a registry since they were last taken.
public struct RegistryChanges: Sendable {
    /// Whether there is enough to serve clients: see `RegistryState.isSynced`.
    ///
    /// If false, only this cluster's exports may be served.
    public var isComplete = true
    /// Nil if the intent is the same.
    public var intent: IntentChange?
    /// The gateways of each cluster that is new or whose gateways changed.
    public var gateways: [ClusterName: [SocketAddress]] = [:]
    /// All pods of each service that changed.
    public var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    /// When the oldest change was reported; nil if there is none.
    public var since: ContinuousClock.Instant?
    /// When the next hold ends or releases some of its pods.
    public var nextRelease: ContinuousClock.Instant?
    /// The number of held pods.
    public var heldCount = 0
    /// Holds that began or ended, at most 1,000; for each cluster in order of time.
    public var holds: [HoldChange] = []
    /// Whether this cluster's own source has delivered since this program started.
    public var isOwnSynced = false
    /// The addresses of the gateways that have to know published pods.
    public var publicationGateways: [SocketAddress] = []
    /// Since when this cluster's own source has been stale; nil if it isn't.
    public var ownStaleSince: Date?
    /// The number of stale sources and DNS names.
    public var staleCount = 0
    /// Input that is left out, and services without pods; one sentence each.
    public var problems: Set<String> = []

    /// Creates an empty set of changes.
    public init() {}

    /// Whether nothing has changed.
    public var isEmpty: Bool { intent == nil && gateways.isEmpty && pods.isEmpty && since == nil }
}

/// The outcome of a source's report.
public struct ReportOutcome: Hashable, Sendable {
    /// Whether the report brought anything new.
    public var isNews = false
    /// Whether the source is stale now.
    public var isStale = false
    /// Whether any state is known, from the source or saved before this start.
    public var hasState = false
}

/// The status of one source.
public struct SourceStatus: Hashable, Sendable {
    /// The cluster; nil for a DNS name, which several clusters may share.
    public var cluster: ClusterName?
    /// A readable form of the source's ID.
    public var description: String
    /// Whether the source has delivered since this program started.
    public var isSynced: Bool
    /// Why the last good state may be out of date; nil if the source is current.
    public var staleReason: String?
    /// Since when the source has been stale.
    public var staleSince: Date?
    /// When the source last confirmed its state.
    public var confirmed: Date?
    /// Input that the source had to leave out although the rest is fine.
    public var problems: [String]
    /// The number of pods of all services.
    public var podCount: Int
    /// The known gateways or addresses; nil for a source of pods only.
    public var gateways: [String]?
}
