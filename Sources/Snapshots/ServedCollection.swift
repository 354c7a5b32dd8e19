import EnvoyAPI
public import GRPCTransport
import HashTreeCollections
import Synchronization
public import XDS

/// The content of a LEDS collection at one moment, shared by all streams that send it.
///
/// Immutable; modified copies share storage with the original.
public final class ServedCollection: CollectionContent {
    private let resources: TreeDictionary<ResourceName, ServedResource>
    private let versions: SetVersion
    private let whole = Mutex<Slice?>(nil)

    private init(_ resources: TreeDictionary<ResourceName, ServedResource>, _ versions: SetVersion) {
        self.resources = resources
        self.versions = versions
    }

    convenience init() { self.init([:], SetVersion()) }

    /// A copy with the resource added or replaced.
    func adding(_ resource: ServedResource) -> ServedCollection {
        var (resources, versions) = (resources, versions)
        if let last = resources.updateValue(resource, forKey: resource.name) { versions.remove(last.version) }
        versions.insert(resource.version)
        return ServedCollection(resources, versions)
    }

    /// A copy without the resource of that name; nil if it would be empty.
    func removing(_ name: ResourceName) -> ServedCollection? {
        var (resources, versions) = (resources, versions)
        if let last = resources.removeValue(forKey: name) { versions.remove(last.version) }
        return resources.isEmpty ? nil : ServedCollection(resources, versions)
    }

    /// A version of the whole content.
    public var version: ResourceVersion { versions.version }

    /// The version of a resource; nil if it is not in the collection.
    public func version(of name: ResourceName) -> ResourceVersion? { resources[name]?.version }

    /// The number of resources.
    public var count: Int { resources.count }

    /// The names of all resources, in no particular order.
    public var names: [ResourceName] { Array(resources.keys) }

    /// All resources as one part of a delta response; created on first use.
    ///
    /// A single slice: thousands of small slices cost C-core more than their bytes.
    public var slice: Slice {
        whole.withLock { whole in
            if let whole { return whole }
            let slice = Slice(parts: resources.values.sorted { $0.name < $1.name }.flatMap(\.deltaParts))
            whole = slice
            return slice
        }
    }
}
