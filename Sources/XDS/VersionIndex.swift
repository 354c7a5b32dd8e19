/// The resources of one type at one moment, by name and version.
///
/// Snapshots are one; tests have their own.
public protocol VersionIndex {
    /// Nil if the resource doesn't exist.
    func version(of name: ResourceName) -> ResourceVersion?

    /// All names, in any order.
    var names: [ResourceName] { get }

    /// The contents of a collection; nil if it is empty.
    func content(of collection: ResourceName) -> (any CollectionContent)?

    /// The collections that a resource refers to; its clients subscribe to them.
    func collections(of name: ResourceName) -> [ResourceName]
}

extension VersionIndex {
    /// Searches all names.
    public func content(of collection: ResourceName) -> (any CollectionContent)? {
        let members = names.filter { $0.collection == collection }
        return members.isEmpty
            ? nil
            : StatedContent(
                Dictionary(uniqueKeysWithValues: members.compactMap { name in version(of: name).map { (name, $0) } }))
    }

    /// None.
    public func collections(of name: ResourceName) -> [ResourceName] { [] }
}

/// The contents of a collection at one moment.
///
/// Immutable, so that all streams share it.
public protocol CollectionContent: AnyObject, Sendable {
    /// The version of all its resources.
    var version: ResourceVersion { get }

    /// Nil if the resource is not in the collection.
    func version(of name: ResourceName) -> ResourceVersion?

    /// All names, in any order.
    var names: [ResourceName] { get }
}

/// The contents that a client claims to hold.
final class StatedContent: CollectionContent {
    private let versions: [ResourceName: ResourceVersion]

    init(_ versions: [ResourceName: ResourceVersion]) { self.versions = versions }

    var version: ResourceVersion {
        var version = SetVersion()
        for member in versions.values { version.insert(member) }
        return version.version
    }

    func version(of name: ResourceName) -> ResourceVersion? { versions[name] }

    var names: [ResourceName] { Array(versions.keys) }
}

/// The names of resources that came, went or changed; grouped once for all streams.
public struct ChangedNames: Sendable, ExpressibleByArrayLiteral {
    /// All of them.
    public let names: Set<ResourceName>
    let byCollection: [ResourceName: Set<ResourceName>]

    /// Names in any order.
    public init(_ names: Set<ResourceName>) {
        self.names = names
        var byCollection: [ResourceName: Set<ResourceName>] = [:]
        for name in names {
            if let collection = name.collection { byCollection[collection, default: []].insert(name) }
        }
        self.byCollection = byCollection
    }

    /// Names in any order.
    public init(arrayLiteral names: ResourceName...) { self.init(Set(names)) }
}
