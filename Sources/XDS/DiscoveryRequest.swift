/// The form of the protocol that a stream uses.
public enum Variant: String, Hashable, Sendable {
    /// State of the world.
    case sotw
    /// Incremental.
    case delta
}

/// A request, in the stream's variant.
public enum DiscoveryRequest: Hashable, Sendable {
    /// State of the world.
    case sotw(SotWRequest)
    /// Incremental.
    case delta(DeltaRequest)
}

extension DiscoveryRequest {
    /// Throws if a name has more bytes than `longest`.
    public func check(longestName limit: Int) throws(ProtocolViolation) {
        let names: [ResourceName] =
            switch self {
            case .sotw(let request): request.names
            case .delta(let request): request.subscribe + request.unsubscribe
            }
        guard names.allSatisfy({ $0.rawValue.utf8.count <= limit }) else { throw .longName(limit: limit) }
    }
}

/// A state-of-the-world request of one type.
public struct SotWRequest: Hashable, Sendable {
    /// All names that the client subscribes to.
    public var names: [ResourceName]
    /// The version of the last response that the client accepted.
    public var version: String
    /// The nonce of the answered response; empty if the request answers none.
    public var nonce: String
    /// The client's message if this is a NACK.
    public var rejection: String?
    /// A hash of the names; nil if it is unknown.
    public var digest: UInt64?

    /// A request.
    public init(
        names: [ResourceName], version: String = "", nonce: String = "", rejection: String? = nil,
        digest: UInt64? = nil
    ) {
        self.names = names
        self.digest = digest
        self.version = version
        self.nonce = nonce
        self.rejection = rejection
    }
}

/// An incremental request of one type.
public struct DeltaRequest: Hashable, Sendable {
    /// Names to subscribe to; one that is subscribed already is requested again.
    public var subscribe: [ResourceName]
    /// Names to unsubscribe from.
    public var unsubscribe: [ResourceName]
    /// The versions that the client still holds from an earlier stream; only in the first request of a type.
    public var initialVersions: [ResourceName: String]
    /// The nonce of the answered response; empty if the request answers none.
    public var nonce: String
    /// The client's message if this is a NACK.
    public var rejection: String?

    /// A request.
    public init(
        subscribe: [ResourceName] = [], unsubscribe: [ResourceName] = [], initialVersions: [ResourceName: String] = [:],
        nonce: String = "", rejection: String? = nil
    ) {
        self.subscribe = subscribe
        self.unsubscribe = unsubscribe
        self.initialVersions = initialVersions
        self.nonce = nonce
        self.rejection = rejection
    }
}

/// An ACK that changes nothing else.
///
/// Nearly every request is one. Its cost must not depend on the number of the client's names.
public struct Acknowledgement: Hashable, Sendable {
    /// Nil if the stream has only one type.
    public var type: TypeURL?
    /// The nonce of the accepted response.
    public var nonce: Nonce
    /// A hash of the names that the ACK repeats.
    public var names: UInt64

    /// An acknowledgement.
    public init(type: TypeURL?, nonce: Nonce, names: UInt64) {
        self.type = type
        self.nonce = nonce
        self.names = names
    }
}
