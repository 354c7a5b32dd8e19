/// The type of a resource, such as `type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment`.
public struct TypeURL: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The URL as the wire carries it.
    public let rawValue: String

    /// Takes any text: clients may ask for types that this server doesn't know.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// EDS: who may take an Envoy cluster's traffic.
    public static let clusterLoadAssignment = TypeURL(
        rawValue: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    )

    /// The URL itself.
    public var description: String { rawValue }
}

/// The name of a resource, unique within its type.
///
/// Opaque to the protocol.
public struct ResourceName: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    /// The name as the wire carries it.
    public let rawValue: String

    /// Takes any text.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A name written in code.
    public init(stringLiteral value: String) { rawValue = value }

    /// The name itself.
    public var description: String { rawValue }

    /// Orders by the names' bytes.
    public static func < (left: ResourceName, right: ResourceName) -> Bool { left.rawValue < right.rawValue }
}

/// Names one response on one stream; an ACK or a NACK repeats it.
///
/// Counts up from 1 (xDS: nonces don't survive their stream).
public struct Nonce: Hashable, Sendable, CustomStringConvertible {
    private let number: UInt64

    static let none = Nonce(number: 0)

    var next: Nonce { Nonce(number: number + 1) }

    private init(number: UInt64) { self.number = number }

    /// As the wire carries it.
    public var description: String { String(number) }
}
