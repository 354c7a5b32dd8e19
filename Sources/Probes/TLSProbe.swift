public import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// A TLS connection with an SNI, to see who answers; certificates are read, not verified.
public struct TLSProbe: Sendable {
    /// What came of it.
    public enum Result: Hashable, Sendable {
        /// The handshake succeeded in this time; with the end of the certificate's validity.
        case connected(Duration, until: Date?)
        /// A ServerHello came, and nothing more was wanted; or the server ended the handshake after it.
        case answered
        /// The connection was closed, or refused by an alert, before a ServerHello.
        case reset
        /// The connection could not be made.
        case refused(String)
        /// Nothing came in time.
        case silent
    }

    /// How far it goes.
    public enum End: Hashable, Sendable {
        /// To the server's first message, which shows that the SNI leads to somebody.
        case serverHello
        /// To the end of the handshake.
        case handshake
    }

    /// How long it waits for a connection, and then for an answer.
    public static let patience = Duration.seconds(2)

    private let host: String
    private let port: Int
    private let sni: String
    private let protocols: [String]
    private let end: End

    /// Creates a probe.
    ///
    /// - Parameter protocols: the ALPN protocols that it offers.
    public init(
        host: String, port: Int, sni: String, protocols: [String] = ["h2", "http/1.1"], to end: End = .handshake
    ) {
        (self.host, self.port, self.sni, self.protocols, self.end) = (host, port, sni, protocols, end)
    }

    /// Connects, and says what came of it.
    public func run() async -> Result {
        let start = ContinuousClock.now
        let group = MultiThreadedEventLoopGroup.singleton
        let channel: any Channel
        let outcome = group.next().makePromise(of: Result.self)
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.certificateVerification = .none
            // Nothing is verified, so that no roots need to be read.
            configuration.trustRoots = .certificates([])
            configuration.applicationProtocols = protocols
            let context = try NIOSSLContext(configuration: configuration)
            let (sni, end) = (sni, end)
            channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(2)).channelInitializer {
                channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(context: context, serverHostname: sni)
                    let hello = HelloHandler(outcome, to: end)
                    try channel.pipeline.syncOperations.addHandlers(hello, tls, HandshakeHandler(hello, since: start))
                }
            }.connect(host: host, port: port).get()
        } catch {
            outcome.fail(error)
            return .refused("\(error)")
        }
        let timer = channel.eventLoop.scheduleTask(in: .seconds(2)) { outcome.succeed(.silent) }
        let result = (try? await outcome.futureResult.get()) ?? .reset
        timer.cancel()
        try? await channel.close()
        return result
    }
}

/// Looks for a ServerHello in what the server sends, before it is decrypted.
private final class HelloHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// The type of a TLS record that contains handshake messages (RFC 8446, 5.1).
    private static let handshakeRecord: UInt8 = 22

    private let outcome: EventLoopPromise<TLSProbe.Result>
    private let end: TLSProbe.End
    private var isAnswered = false

    init(_ outcome: EventLoopPromise<TLSProbe.Result>, to end: TLSProbe.End) {
        self.outcome = outcome
        self.end = end
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if !isAnswered, let first = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) {
            guard first == Self.handshakeRecord else { return fail(context) }
            isAnswered = true
            if end == .serverHello { outcome.succeed(.answered) }
        }
        context.fireChannelRead(data)
    }

    func succeed(_ result: TLSProbe.Result) { outcome.succeed(result) }

    func fail(_ context: ChannelHandlerContext) {
        outcome.succeed(isAnswered ? .answered : .reset)
        context.close(promise: nil)
    }
}

/// Waits for the end of the handshake.
private final class HandshakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let hello: HelloHandler
    private let start: ContinuousClock.Instant

    init(_ hello: HelloHandler, since start: ContinuousClock.Instant) {
        self.hello = hello
        self.start = start
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
            let end = handler?.peerCertificate.map { Date(timeIntervalSince1970: Double($0.notValidAfter)) }
            hello.succeed(.connected(.now - start, until: end))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { hello.fail(context) }

    func channelInactive(context: ChannelHandlerContext) {
        hello.fail(context)
        context.fireChannelInactive()
    }
}
