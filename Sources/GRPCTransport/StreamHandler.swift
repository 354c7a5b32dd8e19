import Glibc
import Synchronization

/// Handles the messages of one stream.
///
/// A handler is used on one queue's thread only.
public protocol StreamHandler: AnyObject, SendableMetatype {
    /// Receives one whole message; its bytes are valid until this returns.
    ///
    /// An error ends the stream with that status.
    func receive(_ message: RawSpan) throws(GRPCStatus)

    /// The next message to write, in slices; nil if there is none now.
    ///
    /// Called after every received message, every finished write and every wake-up, but only if no write is in flight.
    /// So nothing is queued here for a slow peer.
    ///
    /// An error ends the stream with that status.
    func nextMessage() throws(GRPCStatus) -> [Slice]?

    /// Whether to read another message now.
    ///
    /// If false, this is checked again before the next write.
    var canReceive: Bool { get }

    /// The stream has ended; the handler is not called again.
    func closed(_ status: GRPCStatus)
}

extension StreamHandler {
    /// By default always true.
    public var canReceive: Bool { true }
}

/// What is known about a stream before its first message.
public struct StreamHead: Hashable, Sendable {
    /// For example `/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints`.
    public var method: String
    /// The peer's address, for example `127.0.0.1:45678`.
    public var peer: String
    /// The names in the peer's verified certificate; empty if there is none.
    public var identities: [PeerIdentity] = []

    /// Identifies the party that a client belongs to: by the names in its certificate, or else by its IPv4 address or
    /// the first 64 bits of its IPv6 address.
    public var identity: String {
        guard identities.isEmpty else { return identities.map(\.description).joined(separator: ",") }
        let host = peer.lastIndex(of: ":").map { peer[..<$0] } ?? peer[...]
        return host.first == "[" ? Self.network(of: String(host.dropFirst().dropLast())) : String(host)
    }

    /// The network of an IPv6 address, for example `2001:db8:0:1::/64`; one party usually has a whole /64.
    private static func network(of address: String) -> String {
        var bytes = in6_addr()
        // A scope (`fe80::1%eth0`) is not part of the address.
        guard inet_pton(AF_INET6, String(address.prefix { $0 != "%" }), &bytes) == 1 else { return address }
        return withUnsafeBytes(of: bytes) { bytes in
            stride(from: 0, to: 8, by: 2)
                .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) + ":" }.joined() + ":/64"
        }
    }

    /// Describes a stream that has just been opened.
    public init(method: String, peer: String, identities: [PeerIdentity] = []) {
        self.method = method
        self.peer = peer
        self.identities = identities
    }
}

/// A name in a client's verified certificate.
public enum PeerIdentity: Hashable, Sendable, CustomStringConvertible {
    /// A URI, for example `spiffe://mesh.example/ns/default/sa/client`.
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

/// A tag for one kind of operation; at most one such operation is in flight.
///
/// The owner owns the tag, and stays on its shard until all of its operations have completed. So C-core's pointer needs
/// no reference.
final class Tag {
    enum Kind {
        case accepted, received, sent, ended, finished, started
    }

    /// Borrowed: the owner owns this tag.
    private unowned(unsafe) let owner: any OperationOwner
    private let kind: Kind

    init(_ kind: Kind, of owner: any OperationOwner) {
        self.kind = kind
        self.owner = owner
    }

    /// The pointer to pass to C-core.
    var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    /// Notifies the owner of a completed tag.
    static func complete(_ pointer: UnsafeMutableRawPointer, isOK: Bool) {
        let tag = Unmanaged<Tag>.fromOpaque(pointer).takeUnretainedValue()
        // Retained during the call, since the call may release the owner and this tag.
        let owner = tag.owner
        owner.completed(tag.kind, isOK: isOK)
    }
}

/// Identifies an owner of operations.
///
/// Unlike an address, a number is never reused in the process.
struct OwnerID: Hashable, Sendable {
    private let number: Int

    private static let last = Atomic(0)

    private init(number: Int) { self.number = number }

    static func next() -> OwnerID { OwnerID(number: last.add(1, ordering: .relaxed).newValue) }
}

/// An object that starts operations.
///
/// Used on one queue's thread only.
protocol OperationOwner: AnyObject {
    var id: OwnerID { get }

    func completed(_ operation: Tag.Kind, isOK: Bool)
}
