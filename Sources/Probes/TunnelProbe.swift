import NIOHPACK
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL

/// A CONNECT request over HTTP/2 and mutual TLS, to see whether a gateway leads to somebody under an authority.
///
/// The gateway's certificate must be signed by `ca`; its name is not compared, because gateways are known by addresses.
public struct TunnelProbe: Sendable {
    /// What came of it.
    public enum Result: Hashable, Sendable {
        /// The gateway opened a tunnel.
        case accepted
        /// The gateway answered with this HTTP status, or reset the request (0).
        case refused(Int)
        /// There was no connection, or no TLS.
        case failed(String)
        /// Nothing came in time.
        case silent
    }

    private let host: String
    private let port: Int
    private let authority: String
    private let certificate: String
    private let key: String
    private let ca: String

    /// Creates a probe; certificates are paths, which are read for each connection.
    public init(host: String, port: Int, authority: String, certificate: String, key: String, ca: String) {
        (self.host, self.port, self.authority) = (host, port, authority)
        (self.certificate, self.key, self.ca) = (certificate, key, ca)
    }

    /// Connects, asks, and says what came of it.
    public func run() async -> Result {
        let group = MultiThreadedEventLoopGroup.singleton
        let outcome = group.next().makePromise(of: Result.self)
        let channel: any Channel
        do {
            let context = try NIOSSLContext(configuration: tls())
            let authority = authority
            channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(2)).channelInitializer {
                channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(context: context, serverHostname: nil)
                    try channel.pipeline.syncOperations.addHandlers(tls, ConnectionFailureHandler(outcome))
                    let multiplexer = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                        mode: .client, connectionConfiguration: .init(), streamConfiguration: .init()
                    ) { $0.eventLoop.makeSucceededVoidFuture() }
                    multiplexer.createStreamChannel { stream in
                        stream.eventLoop.makeCompletedFuture {
                            try stream.pipeline.syncOperations.addHandler(ConnectHandler(authority, outcome))
                        }
                    }.whenFailure { outcome.succeed(.failed("\($0)")) }
                }
            }.connect(host: host, port: port).get()
        } catch {
            outcome.fail(error)
            return .failed("\(error)")
        }
        let timer = channel.eventLoop.scheduleTask(in: .seconds(2)) { outcome.succeed(.silent) }
        let result = (try? await outcome.futureResult.get()) ?? .silent
        timer.cancel()
        try? await channel.close()
        return result
    }

    private func tls() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(ca)
        configuration.certificateVerification = .noHostnameVerification
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        configuration.applicationProtocols = ["h2"]
        return configuration
    }
}

/// Sends a CONNECT, and waits for the status.
private final class ConnectHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let authority: String
    private let outcome: EventLoopPromise<TunnelProbe.Result>

    init(_ authority: String, _ outcome: EventLoopPromise<TunnelProbe.Result>) {
        self.authority = authority
        self.outcome = outcome
    }

    func channelActive(context: ChannelHandlerContext) {
        let headers = HPACKHeaders([(":method", "CONNECT"), (":authority", authority)])
        context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .headers(let frame) = unwrapInboundIn(data), let text = frame.headers.first(name: ":status"),
            let status = Int(text), status >= 200
        else { return }
        outcome.succeed((200..<300).contains(status) ? .accepted : .refused(status))
    }

    func channelInactive(context: ChannelHandlerContext) {
        outcome.succeed(.refused(0))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Reports why a connection ended before there was an answer.
private final class ConnectionFailureHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let outcome: EventLoopPromise<TunnelProbe.Result>

    init(_ outcome: EventLoopPromise<TunnelProbe.Result>) { self.outcome = outcome }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        outcome.succeed(.failed("\(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        outcome.succeed(.failed("the connection was closed"))
        context.fireChannelInactive()
    }
}
