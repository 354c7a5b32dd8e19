/// A name with the type of what it names, so that names of different things can't be confused.
public struct Name<Subject>: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    /// The name as written in the configuration.
    public let rawValue: String

    /// Creates a name from any text; the configuration reader validates it.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Creates a name from a string literal.
    public init(stringLiteral value: String) { rawValue = value }

    /// The name itself.
    public var description: String { rawValue }

    /// Orders names by their text, so that results don't depend on the order of the input.
    public static func < (left: Name, right: Name) -> Bool { left.rawValue < right.rawValue }
}

/// The name of a member of the federation, such as `east`.
public typealias ClusterName = Name<Cluster>

/// The name of a service, such as `httpbin`.
public typealias ServiceName = Name<Service>
