public import Balancing
import HashTreeCollections
public import Intent
public import Model
public import XDS

/// All resources of one type in one view.
///
/// Copies share storage with the original, so a change costs only what it changes.
public struct ResourceIndex: VersionIndex, Sendable {
    private var resources: TreeDictionary<ResourceName, ServedResource> = [:]
    private var members: TreeDictionary<ResourceName, ServedCollection> = [:]

    /// Creates an empty index.
    public init() {}

    /// The resource of that name; nil if there is none.
    public subscript(name: ResourceName) -> ServedResource? { resources[name] }

    mutating func add(_ resource: ServedResource) {
        resources[resource.name] = resource
        guard let name = resource.name.collection else { return }
        members[name] = (members[name] ?? ServedCollection()).adding(resource)
    }

    mutating func remove(_ name: ResourceName) {
        resources[name] = nil
        guard let collection = name.collection else { return }
        members[collection] = members[collection]?.removing(name)
    }

    /// The content of a collection as it is sent; nil if it is empty.
    public func collection(_ name: ResourceName) -> ServedCollection? { members[name] }

    /// The version of a resource; nil if it doesn't exist.
    public func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    /// The names of all resources, in no particular order.
    public var names: [ResourceName] { Array(resources.keys) }

    /// The content of a collection; nil if it is empty.
    public func content(of collection: ResourceName) -> (any CollectionContent)? { members[collection] }

    /// The collections that a resource refers to.
    public func collections(of name: ResourceName) -> [ResourceName] { resources[name]?.collections ?? [] }
}

/// The clusters and peers that exist; they determine which view a client gets.
public struct Federation: Hashable, Sendable {
    /// The cluster of clients that don't name an existing one.
    public var ownCluster: ClusterName
    /// All clusters.
    public var clusters: Set<ClusterName>
    /// What other Ballasts may import.
    public var exports: [Export]
    /// Whether any cluster is reached through tunnels, which older Envoys don't support.
    public var hasTunnels: Bool

    /// Creates a federation.
    public init(
        ownCluster: ClusterName, clusters: Set<ClusterName>, exports: [Export] = [], hasTunnels: Bool = false
    ) {
        self.ownCluster = ownCluster
        self.clusters = clusters
        self.exports = exports
        self.hasTunnels = hasTunnels
    }

    /// Whether the view exists.
    func has(_ view: ViewKey) -> Bool {
        switch view {
        case .client(let view): clusters.contains(view.cluster)
        case .peer(let name): exports.contains { $0.peer == name }
        }
    }
}

/// What one view serves of one service.
public struct ServiceStatus: Hashable, Sendable {
    /// The service.
    public var service: Service
    /// The names and versions of its EDS resources.
    public var resources: [VersionedName]
    /// The share of every endpoint, with the reasons.
    public var assignment: Assignment
}

/// The resources served at one moment, in every view that is in use.
///
/// Immutable; a newer snapshot replaces it.
public final class Snapshot: Sendable {
    /// The content of one view and its latest changes, shared by all streams that serve it.
    public final class View: Sendable {
        struct Content: Sendable {
            var resources: [TypeURL: ResourceIndex] = [:]
            var services: TreeDictionary<ServiceName, ServiceStatus> = [:]
            var reduced: [ClusterName] = []
            var unreached: [ClusterName] = []
            var gatewayed: [ClusterName] = []
            /// The service of each EDS resource.
            var owners: TreeDictionary<ResourceName, ServiceName> = [:]
        }

        private let content: Content
        /// The names of each type that were added, removed or changed since the last snapshot.
        public let changes: [(type: TypeURL, names: ChangedNames)]

        init(_ content: Content, changes: [(type: TypeURL, names: ChangedNames)]) {
            self.content = content
            self.changes = changes
        }

        /// The clusters for which the view has gateway addresses only, although their `reach` offers more.
        public var reduced: [ClusterName] { content.reduced }
        /// The clusters of which the view has nothing, because its clients don't support tunnels.
        public var unreached: [ClusterName] { content.unreached }

        /// The clusters that are reached through gateways that select pods by TLS.
        public var gatewayed: [ClusterName] { content.gatewayed }

        /// The services, in no particular order.
        public var services: some Sequence<ServiceStatus> { content.services.values }

        /// The service of that name; nil if the view doesn't have it.
        public func service(_ name: ServiceName) -> ServiceStatus? { content.services[name] }

        /// The service that an EDS resource belongs to; nil if there is none.
        public func service(serving name: ResourceName) -> ServiceStatus? {
            content.owners[name].flatMap { content.services[$0] }
        }

        /// All resources of a type.
        public func index(_ type: TypeURL) -> ResourceIndex { content.resources[type] ?? ResourceIndex() }
    }

    /// The publication's number, counted from 1.
    public let number: UInt64
    /// Whether clients are served; otherwise only other Ballasts are.
    public let isComplete: Bool
    /// The clusters and peers that have views.
    public let federation: Federation
    /// Why clusters are not reached as configured.
    public let problems: Set<String>
    private let views: [ViewKey: View]

    package init(
        number: UInt64, isComplete: Bool, federation: Federation, views: [ViewKey: View], problems: Set<String>
    ) {
        self.number = number
        self.isComplete = isComplete
        self.federation = federation
        self.views = views
        self.problems = problems
    }

    /// The keys of the views that were built.
    package var builtViews: Set<ViewKey> { Set(views.keys) }

    /// The view of a key; nil if it doesn't exist or has not been built.
    public subscript(key: ViewKey) -> View? { views[key] }

    /// A view with the same services, whether or not its endpoints use LEDS; nil if neither has been built.
    public func services(of key: ViewKey) -> View? {
        if let view = views[key] { return view }
        return key.client.flatMap { views[.client($0.withOtherLEDS)] }
    }
}

/// The time and number of a publication.
struct Moment {
    var time: ContinuousClock.Instant
    /// The snapshot's number.
    var publication: UInt64
}

/// A new snapshot, with what streams need to know to apply it.
public final class Publication: Sendable {
    /// The snapshot.
    public let snapshot: Snapshot
    /// Whether the views that clients get may have changed.
    public let changesFederation: Bool

    package init(_ snapshot: Snapshot, changesFederation: Bool) {
        self.snapshot = snapshot
        self.changesFederation = changesFederation
    }
}

/// The publications that clients and gateways have answered, with ACKs or NACKs.
public struct ClientProgress: Sendable {
    /// The newest publication that all clients have answered completely; 0 if unknown.
    public var clients: UInt64
    /// For each cluster, the newest publication that all its gateways have answered completely; only gateways with a
    /// wildcard CDS subscription count, and a cluster without any is missing.
    public var gateways: [ClusterName: UInt64]

    /// Creates progress.
    public init(clients: UInt64 = 0, gateways: [ClusterName: UInt64] = [:]) {
        self.clients = clients
        self.gateways = gateways
    }
}
