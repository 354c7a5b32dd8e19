import EnvoyAPI
public import GRPCTransport
import HashTreeCollections
import Synchronization
public import XDS

/// All that is in a collection at one moment, as it is sent: shared by every stream that has it.
///
/// A copy shares what it has in common with the original.
public final class ServedCollection: CollectionContent {
    private let resources: TreeDictionary<ResourceName, ServedResource>
    private let versions: SetVersion
    private let whole = Mutex<Slice?>(nil)

    private init(_ resources: TreeDictionary<ResourceName, ServedResource>, _ versions: SetVersion) {
        self.resources = resources
        self.versions = versions
    }

    convenience init() { self.init([:], SetVersion()) }

    /// With a resource in the place of the one of its name.
    func adding(_ resource: ServedResource) -> ServedCollection {
        var (resources, versions) = (resources, versions)
        if let last = resources.updateValue(resource, forKey: resource.name) { versions.remove(last.version) }
        versions.insert(resource.version)
        return ServedCollection(resources, versions)
    }

    /// Without the resource of that name; nil where nothing is left.
    func removing(_ name: ResourceName) -> ServedCollection? {
        var (resources, versions) = (resources, versions)
        if let last = resources.removeValue(forKey: name) { versions.remove(last.version) }
        return resources.isEmpty ? nil : ServedCollection(resources, versions)
    }

    /// Of all that is in it.
    public var version: ResourceVersion { versions.version }

    /// Nil if no such resource is in it.
    public func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    /// How many resources are in it.
    public var count: Int { resources.count }

    /// All names, in any order.
    public var names: [ResourceName] { Array(resources.keys) }

    /// All of them as a part of a delta response; made when the first stream needs it.
    ///
    /// One piece: thousands of small ones cost C-core more than their bytes.
    public var slice: Slice {
        whole.withLock { whole in
            if let whole { return whole }
            let slice = Slice(parts: resources.values.sorted { $0.name < $1.name }.flatMap(\.deltaParts))
            whole = slice
            return slice
        }
    }
}
