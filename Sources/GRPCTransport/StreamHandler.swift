/// What a stream does with messages.
///
/// A handler lives on one queue's thread and is never used from elsewhere.
public protocol StreamHandler: AnyObject, SendableMetatype {
    /// Takes one whole message.
    ///
    /// An error ends the stream with that status.
    func receive(_ message: [UInt8]) throws(GRPCStatus)

    /// The next message to write, in slices; nil if there is none now.
    ///
    /// Asked for after every received message, every finished write and every wake-up, and only while no write is in
    /// flight: what a slow peer hasn't taken yet is never queued here.
    ///
    /// An error ends the stream with that status.
    func nextMessage() throws(GRPCStatus) -> [Slice]?

    /// The stream is over; nothing more is asked of the handler.
    func closed(_ status: GRPCStatus)
}

/// What is known of a stream before its first message.
public struct StreamHead: Hashable, Sendable {
    /// Such as `/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints`.
    public var method: String
    /// The other end's address, such as `127.0.0.1:45678`.
    public var peer: String
    /// Who the other end's certificate says it is; empty where it showed none that was checked.
    public var identities: [PeerIdentity] = []
}

/// A name in a client's certificate, which an authority has vouched for.
public enum PeerIdentity: Hashable, Sendable, CustomStringConvertible {
    /// A URI, such as `spiffe://mesh.example/ns/default/sa/client`.
    case uri(String)
    /// A host name.
    case dns(String)

    /// The name.
    public var description: String {
        switch self {
        case .uri(let name), .dns(let name): name
        }
    }
}

/// One operation in C-core's hands.
///
/// Retained once when the operation starts, given back by its one completion.
final class Tag {
    enum Kind {
        case accepted, received, sent, ended, finished, started
    }

    /// Borrowed: an owner stays on its shard until all of its operations have completed.
    unowned let owner: any OperationOwner
    let kind: Kind

    init(_ kind: Kind, of owner: any OperationOwner) {
        self.kind = kind
        self.owner = owner
    }

    /// What C-core is given.
    func retained() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

    /// Gives the tag back and tells its owner.
    static func complete(_ pointer: UnsafeMutableRawPointer, isOK: Bool) {
        let tag = Unmanaged<Tag>.fromOpaque(pointer).takeRetainedValue()
        tag.owner.completed(tag.kind, isOK: isOK)
    }
}

/// Whoever starts operations.
///
/// Used on one queue's thread only.
protocol OperationOwner: AnyObject {
    func completed(_ operation: Tag.Kind, isOK: Bool)
}
