/// The type of a resource, such as `type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment`.
public struct TypeURL: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The URL as it is sent.
    public let rawValue: String

    /// A type with this URL, which this server may not know.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Envoy clusters (CDS).
    public static let cluster = TypeURL(rawValue: "type.googleapis.com/envoy.config.cluster.v3.Cluster")
    /// Listeners (LDS).
    public static let listener = TypeURL(rawValue: "type.googleapis.com/envoy.config.listener.v3.Listener")
    /// Route configurations (RDS).
    public static let routeConfiguration = TypeURL(
        rawValue: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    )
    /// The endpoints of an Envoy cluster (EDS).
    public static let clusterLoadAssignment = TypeURL(
        rawValue: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    )

    /// One endpoint (LEDS).
    public static let endpoint = TypeURL(rawValue: "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint")

    /// A service that one Ballast exports to another; not part of xDS.
    public static let exportedService = TypeURL(rawValue: "type.googleapis.com/ballast.federation.v1.ExportedService")

    /// The URL itself.
    public var description: String { rawValue }

    /// Hashes the length only: it is cheap, and differs between types.
    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue.utf8.count) }
}

/// The name of a resource, unique within its type.
///
/// Opaque to the protocol.
public struct ResourceName: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    /// The name as it is sent.
    public let rawValue: String

    /// A name with any text.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A name written in code.
    public init(stringLiteral value: String) { rawValue = value }

    /// The wildcard: all resources of a type.
    static let wildcard: ResourceName = "*"

    /// The collection of a resource with this name (xDS, `xdstp://` names): the name up to the last slash, and `*`.
    ///
    /// Nil for opaque names.
    public var collection: ResourceName? {
        guard rawValue.hasPrefix("xdstp://"), let slash = rawValue.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return nil
        }
        return ResourceName(rawValue: rawValue[...slash] + "*")
    }

    /// Whether the name is that of a collection.
    public var isCollection: Bool { rawValue.hasSuffix("/*") && rawValue.hasPrefix("xdstp://") }

    /// The approximate memory of a subscription to it, in bytes: its text, and entries in sets and dictionaries.
    var memoryBytes: Int { rawValue.utf8.count + 320 }

    /// The name itself.
    public var description: String { rawValue }

    /// Orders by the names' bytes.
    public static func < (left: ResourceName, right: ResourceName) -> Bool { left.rawValue < right.rawValue }
}

/// Identifies one response on one stream; its ACK or NACK repeats it.
///
/// Counts from 1 (xDS: nonces are valid on their stream only).
public struct Nonce: Hashable, Comparable, Sendable, CustomStringConvertible {
    private let number: UInt64

    /// Before the first response.
    public static let none = Nonce(number: 0)

    var next: Nonce { Nonce(number: number + 1) }

    /// The nonce with this number.
    public init(number: UInt64) { self.number = number }

    /// Parses `description`; nil for any other text.
    public init?(_ text: String) {
        guard let number = UInt64(text), String(number) == text else { return nil }
        self.number = number
    }

    /// The nonce as it is sent.
    public var description: String { String(number) }

    /// Earlier comes first.
    public static func < (left: Nonce, right: Nonce) -> Bool { left.number < right.number }
}
