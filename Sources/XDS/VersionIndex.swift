/// What there is to serve of one type at one moment, by name and version.
///
/// A snapshot is one; tests have their own.
public protocol VersionIndex {
    /// Nil where no such resource exists.
    func version(of name: ResourceName) -> ResourceVersion?

    /// All names, in any order.
    var names: [ResourceName] { get }
}
