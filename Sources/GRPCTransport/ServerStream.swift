import Glibc
import Synchronization

/// What a stream does with messages.
///
/// A handler lives on one queue's thread and is never used from elsewhere.
public protocol ServerStream: AnyObject, SendableMetatype {
    /// Takes one whole message, whose bytes are there until this returns.
    ///
    /// An error ends the stream with that status.
    func receive(_ message: RawSpan) throws(GRPCStatus)

    /// The next message to write, in slices; nil if there is none now.
    ///
    /// Asked for after every received message, every finished write and every wake-up, and only while no write is in
    /// flight: what a slow peer hasn't taken yet is never queued here.
    ///
    /// An error ends the stream with that status.
    func nextMessage() throws(GRPCStatus) -> [Slice]?

    /// Whether another message is read now; if not, it is asked again before the next write.
    var takesMore: Bool { get }

    /// The stream is over; nothing more is asked of the handler.
    func closed(_ status: GRPCStatus)
}

extension ServerStream {
    /// Always.
    public var takesMore: Bool { true }
}

/// What is known of a stream before its first message.
public struct StreamHead: Hashable, Sendable {
    /// Such as `/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints`.
    public var method: String
    /// The other end's address, such as `127.0.0.1:45678`.
    public var peer: String
    /// Who the other end's certificate says it is; empty where it showed none that was checked.
    public var identities: [PeerIdentity] = []

    /// What clients have in common that are one party: the names in their certificates; if they show none, their IPv4
    /// address, or the first 64 bits of their IPv6 address.
    public var identity: String {
        guard identities.isEmpty else { return identities.map(\.description).joined(separator: ",") }
        let host = peer.lastIndex(of: ":").map { peer[..<$0] } ?? peer[...]
        return host.first == "[" ? Self.network(of: String(host.dropFirst().dropLast())) : String(host)
    }

    /// `2001:db8:0:1::/64` for any address in it, whom one party has all of.
    private static func network(of address: String) -> String {
        var bytes = in6_addr()
        // A scope (`fe80::1%eth0`) is no part of the address.
        guard inet_pton(AF_INET6, String(address.prefix { $0 != "%" }), &bytes) == 1 else { return address }
        return withUnsafeBytes(of: bytes) { bytes in
            stride(from: 0, to: 8, by: 2)
                .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) + ":" }.joined() + ":/64"
        }
    }

    /// A stream that has just been opened.
    public init(method: String, peer: String, identities: [PeerIdentity] = []) {
        self.method = method
        self.peer = peer
        self.identities = identities
    }
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

/// One kind of operation in C-core's hands, at most one of them at a time.
///
/// Owned by its owner, who stays on its shard until all of its operations have completed: so C-core's pointer needs no
/// reference of its own.
final class Tag {
    enum Kind {
        case accepted, received, sent, ended, finished, started
    }

    /// Borrowed: it owns this.
    private unowned(unsafe) let owner: any OperationOwner
    private let kind: Kind

    init(_ kind: Kind, of owner: any OperationOwner) {
        self.kind = kind
        self.owner = owner
    }

    /// What C-core is given.
    var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    /// Tells the owner of a tag that came back.
    static func complete(_ pointer: UnsafeMutableRawPointer, isOK: Bool) {
        let tag = Unmanaged<Tag>.fromOpaque(pointer).takeUnretainedValue()
        // Kept while it is told: it may be let go by what it hears, and the tag with it.
        let owner = tag.owner
        owner.completed(tag.kind, isOK: isOK)
    }
}

/// Who starts operations, for as long as the process runs: a number is never used twice, an address is.
struct OwnerID: Hashable, Sendable {
    private let number: Int

    private static let last = Atomic(0)

    private init(number: Int) { self.number = number }

    /// An identity that nobody else has or had.
    static func next() -> OwnerID { OwnerID(number: last.add(1, ordering: .relaxed).newValue) }
}

/// Whoever starts operations.
///
/// Used on one queue's thread only.
protocol OperationOwner: AnyObject {
    var id: OwnerID { get }

    func completed(_ operation: Tag.Kind, isOK: Bool)
}
