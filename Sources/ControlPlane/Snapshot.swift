import Balancing
import HashTreeCollections
import MeshConfiguration
import Model
import XDS

/// All resources of one type, for one viewer.
///
/// A copy shares what it has in common with the original: a change costs what it changes.
struct ResourceIndex: VersionIndex, Sendable {
    private var resources: TreeDictionary<ResourceName, ServedResource> = [:]
    private var members: TreeDictionary<ResourceName, ServedCollection> = [:]

    subscript(name: ResourceName) -> ServedResource? { resources[name] }

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
    func collection(_ name: ResourceName) -> ServedCollection? { members[name] }

    func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    var names: [ResourceName] { Array(resources.keys) }

    func content(of collection: ResourceName) -> (any CollectionContent)? { members[collection] }

    func collections(of name: ResourceName) -> [ResourceName] { resources[name]?.collections ?? [] }
}

/// What decides whose view a client gets, and whether it may.
struct Roster: Hashable, Sendable {
    /// Whose clients see what those see who belong to none of the clusters.
    var defaultCluster: ClusterName
    var clusters: Set<ClusterName>
    /// Who may see which of them; nil where everyone may.
    var access: Access?
    /// What other Ballasts may import.
    var exports: [Configuration.Export] = []
    /// Whether clients that can are served collections without asking for them.
    var leds: Bool
}

/// What is served at one moment, to every kind of client of each cluster that somebody asked for.
///
/// Never changes; a newer one takes its place.
final class Snapshot: Sendable {
    /// What one viewer sees.
    struct Content: Sendable {
        var resources: [TypeURL: ResourceIndex] = [:]
        var services: TreeDictionary<ServiceName, ServiceStatus> = [:]
        /// The clusters of which it gets gateway addresses only, though they can be reached better.
        var reduced: [ClusterName] = []
        /// The clusters that are reached through gateways, which tell pods by TLS.
        var gatewayed: [ClusterName] = []
        /// Which service each EDS resource is of.
        var owners: TreeDictionary<ResourceName, ServiceName> = [:]
    }

    /// What one viewer sees, and what of it is new; shared by all its streams.
    final class View: Sendable {
        let content: Content
        /// The names of each type that came, went or changed since the last snapshot.
        let changes: [(type: TypeURL, names: ChangedNames)]

        init(_ content: Content, changes: [(type: TypeURL, names: ChangedNames)]) {
            self.content = content
            self.changes = changes
        }

        func service(serving name: ResourceName) -> ServiceStatus? {
            content.owners[name].flatMap { content.services[$0] }
        }

        func index(_ type: TypeURL) -> ResourceIndex { content.resources[type] ?? ResourceIndex() }
    }

    /// Counts up from 1.
    let number: UInt64
    /// Whether clients are served; else only what is exported is known.
    let isComplete: Bool
    let roster: Roster
    let views: [Viewer: View]
    /// Why clusters are not reached as they are configured to be.
    let problems: Set<String>

    init(number: UInt64, isComplete: Bool, roster: Roster, views: [Viewer: View], problems: Set<String>) {
        self.number = number
        self.isComplete = isComplete
        self.roster = roster
        self.views = views
        self.problems = problems
    }

    /// What a viewer sees of services, however their endpoints are sent.
    func services(of viewer: Viewer) -> View? {
        if let view = views[viewer] { return view }
        var twin = viewer
        twin.usesLEDS.toggle()
        return views[twin]
    }
}

/// When something is published.
struct Moment {
    var time: ContinuousClock.Instant
    /// The snapshot's number.
    var publication: UInt64
}

/// A new snapshot, on its way to the streams.
final class Publication: Sendable {
    let snapshot: Snapshot
    /// Whether clients may get other views than before.
    let hasNewRoster: Bool

    init(_ snapshot: Snapshot, hasNewRoster: Bool) {
        self.snapshot = snapshot
        self.hasNewRoster = hasNewRoster
    }
}
