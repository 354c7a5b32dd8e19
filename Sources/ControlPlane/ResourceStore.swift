import Balancing
import EnvoyAPI
import XDS

/// What a resource says, before it is encoded.
enum ResourceContent: Hashable {
    case cluster(EnvoyCluster)
    case listener(GatewayListener)
    case proxylessListener
    case routes
    case endpoints(Assignment)

    var type: TypeURL {
        switch self {
        case .cluster: .cluster
        case .listener, .proxylessListener: .listener
        case .routes: .routeConfiguration
        case .endpoints: .clusterLoadAssignment
        }
    }

    func encoded(_ name: ResourceName) -> EncodedResource {
        switch self {
        case .cluster(let cluster): EncodedResource(cluster, name: name)
        case .listener(let listener): EncodedResource(listener)
        case .proxylessListener: EncodedResource(proxylessListener: name)
        case .routes: EncodedResource(routesToCluster: name)
        case .endpoints(let assignment): EncodedResource(assignment, name: name)
        }
    }
}

/// One part of what one viewer is served, which remembers its last outcome: content that hasn't changed is not encoded
/// again, and keeps its slices.
struct ResourceStore {
    private struct Entry {
        var content: ResourceContent
        var resource: ServedResource
    }

    private struct Key: Hashable {
        var type: TypeURL
        var name: ResourceName
    }

    private var entries: [Key: Entry] = [:]

    /// By type.
    private(set) var resources: [TypeURL: [ServedResource]] = [:]

    /// Replaces the content.
    ///
    /// - Parameter like: another viewer's part, which may have the same content already.
    mutating func replace(with contents: [(name: ResourceName, content: ResourceContent)], like other: ResourceStore?) {
        var next: [Key: Entry] = [:]
        for (name, content) in contents {
            let key = Key(type: content.type, name: name)
            if let known = [entries[key], other?.entries[key]].compactMap(\.self).first(where: { $0.content == content }
            ) {
                next[key] = known
                continue
            }
            let encoded = content.encoded(name)
            // Content may change in what isn't sent, such as the reason for a share.
            let isSame = entries[key]?.resource.version == encoded.version
            let resource = isSame ? entries[key]?.resource : nil
            next[key] = Entry(content: content, resource: resource ?? ServedResource(encoded))
        }
        entries = next
        resources = Dictionary(grouping: next, by: \.key.type).mapValues { $0.map(\.value.resource) }
    }
}
