/// The name of something, which can't be taken for the name of something else.
public struct Name<Subject>: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    /// The name as the configuration writes it.
    public let rawValue: String

    /// Takes any text; the configuration checks it.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A name written in code.
    public init(stringLiteral value: String) { rawValue = value }

    /// The name itself.
    public var description: String { rawValue }

    /// Orders by the names' bytes, so that outcomes don't depend on the order of input.
    public static func < (left: Name, right: Name) -> Bool { left.rawValue < right.rawValue }
}

/// The name of a member of the federation, such as `east`.
public typealias ClusterName = Name<Cluster>

/// The name of what clients balance over, such as `httpbin`.
public typealias ServiceName = Name<Service>
