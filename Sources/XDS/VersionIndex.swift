/// What there is to serve of one type at one moment, by name and version.
///
/// A snapshot is one; tests have their own.
public protocol VersionIndex {
    /// Nil where no such resource exists.
    func version(of name: ResourceName) -> ResourceVersion?

    /// All names, in any order.
    var names: [ResourceName] { get }

    /// The names in a collection, in any order.
    func names(in collection: ResourceName) -> [ResourceName]

    /// The collections that a resource refers to, which its user subscribes to.
    func collections(of name: ResourceName) -> [ResourceName]
}

extension VersionIndex {
    /// Looks at all names.
    public func names(in collection: ResourceName) -> [ResourceName] { names.filter { $0.collection == collection } }

    /// None.
    public func collections(of name: ResourceName) -> [ResourceName] { [] }
}
