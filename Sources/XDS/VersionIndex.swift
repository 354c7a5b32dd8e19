/// What there is to serve of one type at one moment, by name and version.
///
/// A snapshot is one; tests have their own.
public protocol VersionIndex {
    /// Nil where no such resource exists.
    func version(of name: ResourceName) -> ResourceVersion?

    /// All names, in any order.
    var names: [ResourceName] { get }

    /// What is in a collection; nil where nothing is.
    func content(of collection: ResourceName) -> (any CollectionContent)?

    /// The collections that a resource refers to, which its user subscribes to.
    func collections(of name: ResourceName) -> [ResourceName]
}

extension VersionIndex {
    /// Looks at all names.
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

/// What is in a collection at one moment.
///
/// Never changes, so that all who have it can share it.
public protocol CollectionContent: AnyObject, Sendable {
    /// Of all that is in it.
    var version: ResourceVersion { get }

    /// Nil where no such resource is in it.
    func version(of name: ResourceName) -> ResourceVersion?

    /// All names, in any order.
    var names: [ResourceName] { get }
}

/// What somebody says is in a collection.
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

/// The names of resources that came, went or changed; sorted out once, whatever the number of streams.
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
