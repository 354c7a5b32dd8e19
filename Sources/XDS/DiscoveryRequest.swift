/// How a stream's responses say what there is.
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
    /// Refuses names that are longer than so many bytes.
    public func check(longestName limit: Int) throws(ProtocolViolation) {
        let names: [ResourceName] =
            switch self {
            case .sotw(let request): request.names
            case .delta(let request): request.subscribe + request.unsubscribe
            }
        guard names.allSatisfy({ $0.rawValue.utf8.count <= limit }) else { throw .longName(limit: limit) }
    }
}

/// A state-of-the-world request of one type, without its bytes.
public struct SotWRequest: Hashable, Sendable {
    /// All names that the client wants now.
    public var names: [ResourceName]
    /// The version of the last response that the client took.
    public var version: String
    /// The response that this answers; empty where it answers none.
    public var nonce: String
    /// The client's reason; nil unless this is a NACK.
    public var rejection: String?
    /// Tells the names from others without a look at each; nil where that isn't known.
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

/// An incremental request of one type, without its bytes.
public struct DeltaRequest: Hashable, Sendable {
    /// Names to add.
    ///
    /// One that is there already is asked for again.
    public var subscribe: [ResourceName]
    /// Names to drop.
    public var unsubscribe: [ResourceName]
    /// What the client still holds from an earlier stream; only in the first request of a type.
    public var initialVersions: [ResourceName: String]
    /// The response that this answers; empty where it answers none.
    public var nonce: String
    /// The client's reason; nil unless this is a NACK.
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

/// A request that takes a response and, as far as its bytes tell, asks for nothing else.
///
/// Nearly every request is one; what it costs must not depend on how many names the client has.
public struct Acknowledgement: Hashable, Sendable {
    /// Nil where the stream says it.
    public var type: TypeURL?
    /// The response that was taken.
    public var nonce: Nonce
    /// A digest of the names that it repeats.
    public var names: UInt64

    /// An acknowledgement.
    public init(type: TypeURL?, nonce: Nonce, names: UInt64) {
        self.type = type
        self.nonce = nonce
        self.names = names
    }
}
