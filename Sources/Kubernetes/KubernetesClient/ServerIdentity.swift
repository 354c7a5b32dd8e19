import AsyncHTTPClient
import Model
import NIOCore
import NIOSSL
import Synchronization

/// Verifies that an API server's certificate has the name required by a kubeconfig's `tls-server-name`.
///
/// The TLS library also accepts a certificate for the connection's IP address. kubectl does not, and neither does this
/// class (RFC 9525: the reference identifier is the name that was asked for). On a mismatch, no byte of a request is
/// sent, and the client is shut down.
final class ServerIdentity: Sendable {
    /// The certificate is for another name.
    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    private struct State {
        var mismatch: Mismatch?
        /// The owner of the verified connections.
        weak var client: HTTPClient?
    }

    private let name: String
    private let state = Mutex(State())

    init(name: String) { self.name = name }

    /// Why the client was shut down.
    var mismatch: Mismatch? { state.withLock { $0.mismatch } }

    /// Sets the client to shut down on a mismatch; call this before it has connections.
    func guardConnections(of client: HTTPClient) { state.withLock { $0.client = client } }

    /// Verifies a connection after its handshake and before its first request.
    ///
    /// Never fails: the client's pool would then wait to retry, and rely on the connection although it is closed
    /// meanwhile.
    func check(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.nioSSL_peerCertificate().map {
            $0?._subjectAlternativeNames().map { ($0.nameType, Array($0.contents)) }
        }
        .flatMapErrorThrowing { _ in nil }
        .flatMap { [self] names in
            guard let mismatch = mismatch(with: names ?? []) else { return channel.eventLoop.makeSucceededVoidFuture() }
            let client = state.withLock { state in
                state.mismatch = mismatch
                return state.client
            }
            return channel.pipeline.addHandler(Mute(mismatch), position: .first).map {
                Task { try? await client?.shutdown() }
            }
        }
    }

    private func mismatch(with names: [(_SubjectAlternativeName.NameType, [UInt8])]) -> Mismatch? {
        let isMatch = names.contains { type, bytes in
            if let address = IPAddress(name) { return type == .ipAddress && IPAddress(networkBytes: bytes) == address }
            return type == .dnsName && Self.pattern(String(decoding: bytes, as: UTF8.self), matches: name)
        }
        guard !isMatch else { return nil }
        let offered = names.filter { $0.0 == .dnsName }.map { String(decoding: $0.1, as: UTF8.self) }
        return Mismatch(
            description: """
                its certificate is not for \(name) (tls-server-name); it is for \
                \(offered.isEmpty ? "no name" : offered.joined(separator: ", "))
                """)
    }

    /// Whether a name in a certificate covers a host name: a `*` stands for the whole first label (RFC 9525, 6.3).
    static func pattern(_ pattern: String, matches name: String) -> Bool {
        let labels = { (text: String) in
            (text.hasSuffix(".") ? text.dropLast() : text[...]).lowercased().split(
                separator: ".", omittingEmptySubsequences: false)
        }
        let (wanted, offered) = (labels(name), labels(pattern))
        guard wanted.count == offered.count, wanted.dropFirst() == offered.dropFirst() else { return false }
        return wanted.first == offered.first || offered.first == "*" && offered.count > 2
    }
}

/// Blocks all writes.
private final class Mute: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = Never

    private let reason: ServerIdentity.Mismatch

    init(_ reason: ServerIdentity.Mismatch) { self.reason = reason }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) { promise?.fail(reason) }
}
