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
    /// RDS: which of them takes a request.
    public static let routeConfiguration = TypeURL(
        rawValue: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    )
    /// EDS: who may take an Envoy cluster's traffic.
    public static let clusterLoadAssignment = TypeURL(
        rawValue: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    )

    /// LEDS: one endpoint of many.
    public static let endpoint = TypeURL(rawValue: "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint")

    /// Not of xDS's own: what one Ballast tells another.
    public static let exportedService = TypeURL(rawValue: "type.googleapis.com/ballast.federation.v1.ExportedService")

    /// The URL itself.
    public var description: String { rawValue }

    /// Types are few, of different lengths, and looked up for every message.
    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue.utf8.count) }
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

    /// The collection that a resource of such a name is in (xDS, `xdstp://` names): its name up to the last slash, and `*`.
    ///
    /// Nil for opaque names.
    public var collection: ResourceName? {
        guard rawValue.hasPrefix("xdstp://"), let slash = rawValue.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return nil
        }
        return ResourceName(rawValue: rawValue[...slash] + "*")
    }

    /// Whether it stands for all resources of a collection.
    public var isCollection: Bool { rawValue.hasSuffix("/*") && rawValue.hasPrefix("xdstp://") }

    /// The memory that a subscription to it takes, in bytes; about: its text, and its places in sets and dictionaries.
    var memoryBytes: Int { rawValue.utf8.count + 320 }

    /// The name itself.
    public var description: String { rawValue }

    /// Orders by the names' bytes.
    public static func < (left: ResourceName, right: ResourceName) -> Bool { left.rawValue < right.rawValue }
}

/// Names one response on one stream; an ACK or a NACK repeats it.
///
/// Counts up from 1 (xDS: nonces don't survive their stream).
public struct Nonce: Hashable, Comparable, Sendable, CustomStringConvertible {
    private let number: UInt64

    /// Before the first response.
    public static let none = Nonce(number: 0)

    var next: Nonce { Nonce(number: number + 1) }

    /// The nonce of that number.
    public init(number: UInt64) { self.number = number }

    /// Reads what `description` wrote; nil for any other text.
    public init?(_ text: String) {
        guard let number = UInt64(text), String(number) == text else { return nil }
        self.number = number
    }

    /// As the wire carries it.
    public var description: String { String(number) }

    /// Earlier comes first.
    public static func < (left: Nonce, right: Nonce) -> Bool { left.number < right.number }
}
