import Balancing
import EnvoyAPI
import GRPCTransport
import XDS

/// A resource as it is sent: encoded once, shared by every stream that is sent it.
final class ServedResource: Sendable {
    let name: ResourceName
    let version: ResourceVersion
    private let any: Slice
    private let sotwHeader: Slice
    private let deltaHeader: Slice

    init(_ resource: EncodedResource) {
        name = resource.name
        version = resource.version
        any = Slice(resource.any)
        sotwHeader = Slice(resource.sotwHeader)
        deltaHeader = Slice(resource.deltaHeader)
    }

    /// The resource as a part of a response.
    func slices(_ variant: Variant) -> [Slice] {
        switch variant {
        case .sotw: [sotwHeader, any]
        case .delta: [deltaHeader, any]
        }
    }
}

/// All resources of one type, for the clients of one cluster.
struct ResourceIndex: VersionIndex, Sendable {
    private(set) var resources: [ResourceName: ServedResource] = [:]

    init(_ resources: some Sequence<ServedResource> = []) {
        for resource in resources { self.resources[resource.name] = resource }
    }

    func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    /// The names that came, went or changed since another moment.
    func changes(since other: ResourceIndex) -> Set<ResourceName> {
        var changes = Set(other.resources.keys.filter { resources[$0] == nil })
        for (name, resource) in resources where other.version(of: name) != resource.version { changes.insert(name) }
        return changes
    }
}

/// What is served at one moment, to the clients of each cluster.
///
/// Never changes; a newer one takes its place.
struct Snapshot: Sendable {
    /// What the clients of one cluster see.
    struct View: Sendable {
        var resources: [TypeURL: ResourceIndex]
        var services: [ServiceStatus]
    }

    /// Whose clients see what those see who belong to none of the clusters.
    var defaultCluster: ClusterName
    var views: [ClusterName: View]

    func index(_ type: TypeURL, for cluster: ClusterName) -> ResourceIndex {
        views[cluster]?.resources[type] ?? ResourceIndex()
    }
}
