import Balancing
import MeshConfiguration
import XDS

/// All resources of one type, for one viewer.
struct ResourceIndex: VersionIndex, Sendable {
    private(set) var resources: [ResourceName: ServedResource] = [:]

    init(_ resources: some Sequence<ServedResource> = []) {
        for resource in resources { self.resources[resource.name] = resource }
    }

    mutating func add(_ resource: ServedResource) { resources[resource.name] = resource }

    func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    var names: [ResourceName] { Array(resources.keys) }

    /// The names that came, went or changed since another moment.
    func changes(since other: ResourceIndex) -> Set<ResourceName> {
        var changes = Set(other.resources.keys.filter { resources[$0] == nil })
        for (name, resource) in resources where other.version(of: name) != resource.version { changes.insert(name) }
        return changes
    }
}

/// What is served at one moment, to every kind of client of each cluster.
///
/// Never changes; a newer one takes its place.
struct Snapshot: Sendable {
    /// What one viewer sees.
    struct View: Sendable {
        var resources: [TypeURL: ResourceIndex] = [:]
        var services: [ServiceStatus] = []
        /// The clusters of which it gets gateway addresses only, though they can be reached better.
        var reduced: [ClusterName] = []
        /// Which service each EDS resource is of, as a place in `services`.
        private var places: [ResourceName: Int] = [:]

        init(resources: [TypeURL: ResourceIndex], services: [ServiceStatus], reduced: [ClusterName]) {
            self.resources = resources
            self.services = services
            self.reduced = reduced
            for (place, status) in services.enumerated() {
                for resource in status.resources { places[resource.name] = place }
            }
        }

        func service(serving name: ResourceName) -> ServiceStatus? { places[name].map { services[$0] } }
    }

    /// Whose clients see what those see who belong to none of the clusters.
    var defaultCluster: ClusterName
    var views: [Viewer: View]
    /// Who may see which of them; nil where everyone may.
    var access: Access?

    /// Why clusters are not reached as they are configured to be.
    var problems: Set<String> {
        var problems: Set<String> = []
        for view in views.values {
            for status in view.services {
                for share in status.assignment.shares {
                    if let problem = share.problem {
                        problems.insert("\(status.service.name) in \(share.cluster): \(problem)")
                    }
                }
            }
        }
        return problems
    }

    func index(_ type: TypeURL, for viewer: Viewer) -> ResourceIndex {
        views[viewer]?.resources[type] ?? ResourceIndex()
    }
}
