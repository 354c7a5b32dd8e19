/// The type of a resource, such as `type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment`.
public struct TypeURL: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The URL as the wire carries it.
    public let rawValue: String

    /// Takes any text: clients may ask for types that this server doesn't know.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// CDS: what an Envoy balances over.
    public static let cluster = TypeURL(rawValue: "type.googleapis.com/envoy.config.cluster.v3.Cluster")
    /// LDS: what takes connections.
    public static let listener = TypeURL(rawValue: "type.googleapis.com/envoy.config.listener.v3.Listener")
    /// EDS: who may take an Envoy cluster's traffic.
    public static let clusterLoadAssignment = TypeURL(
        rawValue: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    )

    /// Whether a SotW response carries everything that the client wants, so that what is missing doesn't exist, and
    /// whether a client may want whatever there is.
    ///
    /// xDS, "grouping resources into responses" and "how the client specifies what resources to return": so it is for
    /// these two, and for no other.
    var isWhole: Bool { self == .cluster || self == .listener }

    /// The place in which types are served on an aggregated stream.
    ///
    /// Clusters come before the listeners that lead to them, and those before the endpoints that name them.
    var servingOrder: Int {
        switch self {
        case .cluster: 0
        case .listener: 1
        case .clusterLoadAssignment: 2
        default: 3
        }
    }

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

    /// Stands for whatever there is.
    static let wildcard: ResourceName = "*"

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
