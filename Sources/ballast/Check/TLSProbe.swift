import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// A TLS connection with an SNI, to see who answers; certificates are read, not verified.
struct TLSProbe {
    /// What came of it.
    enum Result: Sendable {
        /// The handshake succeeded in this time; with the end of the certificate's validity.
        case connected(Duration, until: Date?)
        /// The connection was closed during the handshake.
        case reset
        /// The connection could not be made.
        case refused(String)
        /// Nothing came in time.
        case silent
    }

    /// How long it waits.
    static let patience = Duration.seconds(2)

    let host: String
    let port: Int
    let sni: String

    func run() async -> Result {
        let start = ContinuousClock.now
        let group = MultiThreadedEventLoopGroup.singleton
        let channel: any Channel
        let outcome = group.next().makePromise(of: Result.self)
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.certificateVerification = .none
            configuration.applicationProtocols = ["h2", "http/1.1"]
            let context = try NIOSSLContext(configuration: configuration)
            let sni = sni
            channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(2)).channelInitializer {
                channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(context: context, serverHostname: sni)
                    try channel.pipeline.syncOperations.addHandler(tls)
                    try channel.pipeline.syncOperations.addHandler(HandshakeHandler(outcome, since: start))
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

/// Waits for the end of the handshake.
private final class HandshakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let outcome: EventLoopPromise<TLSProbe.Result>
    private let start: ContinuousClock.Instant

    init(_ outcome: EventLoopPromise<TLSProbe.Result>, since start: ContinuousClock.Instant) {
        self.outcome = outcome
        self.start = start
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
            let end = handler?.peerCertificate.map { Date(timeIntervalSince1970: Double($0.notValidAfter)) }
            outcome.succeed(.connected(.now - start, until: end))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        outcome.succeed(.reset)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        outcome.succeed(.reset)
        context.fireChannelInactive()
    }
}
