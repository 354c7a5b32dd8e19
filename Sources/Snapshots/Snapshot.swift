public import Balancing
import HashTreeCollections
public import Intent
public import Model
public import XDS

/// All resources of one type, of one view.
///
/// A copy shares what it has in common with the original: a change costs what it changes.
public struct ResourceIndex: VersionIndex, Sendable {
    private var resources: TreeDictionary<ResourceName, ServedResource> = [:]
    private var members: TreeDictionary<ResourceName, ServedCollection> = [:]

    /// Nothing.
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

    /// All that is in a collection, as it is sent.
    public func collection(_ name: ResourceName) -> ServedCollection? { members[name] }

    /// Nil if there is no such resource.
    public func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    /// All names, in any order.
    public var names: [ResourceName] { Array(resources.keys) }

    /// What is in a collection; nil if nothing is.
    public func content(of collection: ResourceName) -> (any CollectionContent)? { members[collection] }

    /// The collections that a resource refers to.
    public func collections(of name: ResourceName) -> [ResourceName] { resources[name]?.collections ?? [] }
}

/// Which clusters and peers there are: what decides whose view a client gets.
public struct Federation: Hashable, Sendable {
    /// The cluster of clients that are in none of the clusters.
    public var ownCluster: ClusterName
    /// All clusters.
    public var clusters: Set<ClusterName>
    /// What other Ballasts may import.
    public var exports: [Export]

    /// A federation.
    public init(ownCluster: ClusterName, clusters: Set<ClusterName>, exports: [Export] = []) {
        self.ownCluster = ownCluster
        self.clusters = clusters
        self.exports = exports
    }

    /// Whether there is such a view.
    func has(_ view: ViewKey) -> Bool {
        switch view {
        case .client(let view): clusters.contains(view.cluster)
        case .peer(let name): exports.contains { $0.peer == name }
        }
    }
}

/// What is served of one service in one view.
public struct ServiceStatus: Hashable, Sendable {
    /// The service.
    public var service: Service
    /// Its EDS resources.
    public var resources: [VersionedName]
    /// Who gets how much, and why.
    public var assignment: Assignment
}

/// What is served at one moment, in every view that somebody asked for.
///
/// Never changes; a newer one takes its place.
public final class Snapshot: Sendable {
    /// What one view has, and what of it is new; shared by all streams that are served it.
    public final class View: Sendable {
        struct Content: Sendable {
            var resources: [TypeURL: ResourceIndex] = [:]
            var services: TreeDictionary<ServiceName, ServiceStatus> = [:]
            var reduced: [ClusterName] = []
            var gatewayed: [ClusterName] = []
            /// Which service each EDS resource is of.
            var owners: TreeDictionary<ResourceName, ServiceName> = [:]
        }

        private let content: Content
        /// The names of each type that came, went or changed since the last snapshot.
        public let changes: [(type: TypeURL, names: ChangedNames)]

        init(_ content: Content, changes: [(type: TypeURL, names: ChangedNames)]) {
            self.content = content
            self.changes = changes
        }

        /// The clusters of which it has gateway addresses only, though clients could reach them better.
        public var reduced: [ClusterName] { content.reduced }

        /// The clusters that are reached through gateways, which tell pods apart by TLS.
        public var gatewayed: [ClusterName] { content.gatewayed }

        /// Its services, in any order.
        public var services: some Sequence<ServiceStatus> { content.services.values }

        /// One of its services; nil if it has no such.
        public func service(_ name: ServiceName) -> ServiceStatus? { content.services[name] }

        /// The service of which an EDS resource is; nil if there is none.
        public func service(serving name: ResourceName) -> ServiceStatus? {
            content.owners[name].flatMap { content.services[$0] }
        }

        /// All its resources of a type.
        public func index(_ type: TypeURL) -> ResourceIndex { content.resources[type] ?? ResourceIndex() }
    }

    /// Counts up from 1.
    public let number: UInt64
    /// Whether clients are served; otherwise only what is exported is known.
    public let isComplete: Bool
    /// Which views there may be.
    public let federation: Federation
    /// Why clusters are not reached as they are configured to be.
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

    /// The views that have been built.
    package var builtViews: Set<ViewKey> { Set(views.keys) }

    /// Nil if it has not been built, or can't be.
    public subscript(key: ViewKey) -> View? { views[key] }

    /// A view that has the same services, however their endpoints are sent.
    public func services(of key: ViewKey) -> View? {
        if let view = views[key] { return view }
        return key.client.flatMap { views[.client($0.withOtherLEDS)] }
    }
}

/// When something is published.
struct Moment {
    var time: ContinuousClock.Instant
    /// The snapshot's number.
    var publication: UInt64
}

/// A new snapshot, on its way to the streams.
public final class Publication: Sendable {
    /// The snapshot.
    public let snapshot: Snapshot
    /// Whether clients may get other views than before.
    public let changesFederation: Bool

    package init(_ snapshot: Snapshot, changesFederation: Bool) {
        self.snapshot = snapshot
        self.changesFederation = changesFederation
    }
}

/// How far clients have come with what was published.
public struct ClientProgress: Sendable {
    /// The newest publication of which all clients have taken everything; 0 if that isn't known.
    public var clients: UInt64
    /// The same of the gateways of each cluster that are told of every pod before clients are; a cluster without such
    /// gateways is missing.
    public var gateways: [ClusterName: UInt64]

    /// Progress of clients and gateways.
    public init(clients: UInt64 = 0, gateways: [ClusterName: UInt64] = [:]) {
        self.clients = clients
        self.gateways = gateways
    }
}
