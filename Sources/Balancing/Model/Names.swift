/// A member of the federation, such as `east`.
public struct ClusterName: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByStringLiteral,
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
    public static func < (left: ClusterName, right: ClusterName) -> Bool { left.rawValue < right.rawValue }
}

/// What clients balance over, such as `httpbin`.
public struct ServiceName: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByStringLiteral,
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

    /// Orders by the names' bytes.
    public static func < (left: ServiceName, right: ServiceName) -> Bool { left.rawValue < right.rawValue }
}
