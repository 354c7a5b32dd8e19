import AsyncHTTPClient
import Model
import NIOCore
import NIOSSL
import Synchronization

/// Sees to it that an API server's certificate has the name that a kubeconfig's `tls-server-name` demands.
///
/// The TLS library also takes a certificate that has the address of the connection; kubectl does not, and neither does this
/// (RFC 9525: what is compared is the name that was asked for). A connection whose certificate has another name carries no
/// byte of a request, and ends its client.
final class ServerIdentity: Sendable {
    /// The certificate has another name.
    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    private struct State {
        var mismatch: Mismatch?
        /// It owns the connections that are looked at here.
        weak var client: HTTPClient?
    }

    private let name: String
    private let state = Mutex(State())

    init(name: String) { self.name = name }

    /// Why the client was ended.
    var mismatch: Mismatch? { state.withLock { $0.mismatch } }

    /// The client that is ended where a name is wrong; for one that is none of its connections yet.
    func guardConnections(of client: HTTPClient) { state.withLock { $0.client = client } }

    /// Looks at a connection whose handshake is over, and on which no request has been sent.
    ///
    /// Never fails: the client's pool would count on a connection that it closes while it waits to try again.
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

    /// Whether a certificate's name covers a host name: a `*` stands for the first label as a whole (RFC 9525, 6.3).
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

/// Keeps everything from being sent.
private final class Mute: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = Never

    private let reason: ServerIdentity.Mismatch

    init(_ reason: ServerIdentity.Mismatch) { self.reason = reason }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) { promise?.fail(reason) }
}
