import CGRPC
import Glibc

/// An accepted call before it becomes a stream.
///
/// Created and used on one thread.
struct AcceptedCall: @unchecked Sendable {
    // Safety: passed from a completion to its own shard, on the same thread.

    /// Owned by the code that makes a stream of it.
    let call: OpaquePointer
    let head: StreamHead

    /// The client's verified certificate; nil if there is none.
    func readCertificate() -> PeerCertificate? { PendingCall.certificate(of: call) }
}

/// A request to C-core for one incoming call.
final class PendingCall: OperationOwner {
    private struct Outputs {
        var call: OpaquePointer?
        var details = grpc_call_details()
        var metadata = grpc_metadata_array()
    }

    /// Owned.
    ///
    /// C-core writes into it until the call is accepted or the server shuts down.
    private let outputs: UnsafeMutablePointer<Outputs>
    let id = OwnerID.next()
    private let done: (OwnerID, AcceptedCall?) -> Void
    private lazy var accepted = Tag(.accepted, of: self)

    /// - Parameter done: called once: with the call, which the callee then owns, or with nil when the server shuts
    ///   down.
    init(done: @escaping (OwnerID, AcceptedCall?) -> Void) {
        self.done = done
        outputs = .allocate(capacity: 1)
        outputs.initialize(to: Outputs())
        grpc_call_details_init(&outputs.pointee.details)
        grpc_metadata_array_init(&outputs.pointee.metadata)
    }

    deinit {
        grpc_call_details_destroy(&outputs.pointee.details)
        grpc_metadata_array_destroy(&outputs.pointee.metadata)
        outputs.deinitialize(count: 1)
        outputs.deallocate()
    }

    /// - Parameter queue: the queue for the call's operations and for the notification.
    func request(from server: OpaquePointer, queue: OpaquePointer) {
        let error = grpc_server_request_call(
            server, outputs.address(of: \.call), outputs.address(of: \.details), outputs.address(of: \.metadata), queue,
            queue, accepted.pointer
        )
        precondition(error == GRPC_CALL_OK, "C-core refuses to accept calls: \(error)")
    }

    func completed(_ operation: Tag.Kind, isOK: Bool) {
        guard isOK, let call = outputs.pointee.call else { return done(id, nil) }
        let head = StreamHead(
            method: String(copying: outputs.pointee.details.method), peer: Self.peer(of: call),
            identities: Self.identities(of: call)
        )
        done(id, AcceptedCall(call: call, head: head))
    }

    /// Strips the scheme and the escapes from `ipv4:127.0.0.1:1234` or `ipv6:%5B::1%5D:1234`.
    private static func peer(of call: OpaquePointer) -> String {
        // Owned: C-core makes a copy for the caller.
        guard let text = grpc_call_get_peer(call) else { return "unknown" }
        defer { gpr_free(text) }
        let peer = String(cString: text)
        guard let colon = peer.firstIndex(of: ":") else { return peer }
        return String(peer[peer.index(after: colon)...]).replacing("%5B", with: "[").replacing("%5D", with: "]")
    }
}

extension PendingCall {
    /// The subject alternative names of the client's certificate; empty if none was requested.
    private static func identities(of call: OpaquePointer) -> [PeerIdentity] {
        withContext(of: call) { context in
            values(of: GRPC_PEER_URI_PROPERTY_NAME, in: context).map(PeerIdentity.uri)
                + values(of: GRPC_PEER_DNS_PROPERTY_NAME, in: context).map(PeerIdentity.dns)
        } ?? []
    }

    fileprivate static func certificate(of call: OpaquePointer) -> PeerCertificate? {
        withContext(of: call) { context in
            let leaf = values(of: GRPC_X509_PEM_CERT_PROPERTY_NAME, in: context).first
            let chain = values(of: GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME, in: context).first
            return leaf.map { PeerCertificate(leaf: $0, chain: chain ?? "") }
        } ?? nil
    }

    /// Calls `body` with the authentication context of a verified TLS client; returns nil for all others.
    private static func withContext<Result>(of call: OpaquePointer, _ body: (OpaquePointer) -> Result) -> Result? {
        // Owned: C-core adds a reference for the caller.
        guard let context = grpc_call_auth_context(call) else { return nil }
        defer { grpc_auth_context_release(context) }
        return grpc_auth_context_peer_is_authenticated(context) != 0 ? body(context) : nil
    }

    private static func values(of property: String, in context: OpaquePointer) -> [String] {
        var values: [String] = []
        property.withCString { name in
            var iterator = grpc_auth_context_find_properties_by_name(context, name)
            // Borrowed from the context.
            while let property = grpc_auth_property_iterator_next(&iterator)?.pointee {
                let bytes = UnsafeRawBufferPointer(start: property.value, count: property.value_length)
                values.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        return values
    }
}

/// Receives the notification that a server has shut down.
final class ShutdownNotice: OperationOwner {
    let id = OwnerID.next()
    private let done: (OwnerID) -> Void
    private lazy var finished = Tag(.finished, of: self)
    /// The tag to pass to C-core, once.
    var tag: UnsafeMutableRawPointer { finished.pointer }

    init(done: @escaping (OwnerID) -> Void) { self.done = done }

    func completed(_ operation: Tag.Kind, isOK: Bool) { done(id) }
}
