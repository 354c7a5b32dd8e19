public import Logging
public import Model
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Connects to Ballast's own xDS port every two seconds as a client would, and detects when it stops answering.
///
/// HTTP/2 SETTINGS, the first bytes of a TLS handshake and a closed connection all count as an answer. A server that
/// refuses connections because it has too many is alive.
public final class Watchdog: Sendable {
    /// How long the port may fail to answer before it is reported.
    static let patience = Duration.seconds(10)
    private static let interval = Duration.seconds(2)
    /// The timeout of an attempt to connect, and of the answer after that.
    private static let attempt = TimeAmount.seconds(3)

    private struct State {
        var lastAnswer: ContinuousClock.Instant
        var failure: String?
    }

    private let address: Model.SocketAddress
    private let isTLS: Bool
    private let logger: Logger
    private let connected: @Sendable (UInt16) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - address: the server's listen address; an unspecified address is replaced by loopback.
    ///   - connected: called with the local port of each connection.
    public init(
        _ address: Model.SocketAddress, isTLS: Bool, logger: Logger,
        connected: @escaping @Sendable (UInt16) -> Void
    ) {
        self.connected = connected
        let loopback = address.host.isUnspecified ? IPAddress(address.host.isIPv6 ? "::1" : "127.0.0.1") : nil
        self.address = loopback.map { Model.SocketAddress(host: $0, port: address.port) } ?? address
        self.isTLS = isTLS
        self.logger = logger
        state = Mutex(State(lastAnswer: .now))
    }

    /// Why the port doesn't answer; nil while it does.
    public var failure: String? { state.withLock { $0.failure } }

    /// Watches until the task is cancelled.
    public func run() async {
        while (try? await Task.sleep(for: Self.interval)) != nil {
            do {
                try await connect()
                noteAnswer()
            } catch {
                guard !Task.isCancelled else { return }
                noteFailure("\(error)")
            }
        }
    }

    private func noteAnswer() {
        let wasDeaf = state.withLock { state in
            defer { state = State(lastAnswer: .now) }
            return state.failure != nil
        }
        if wasDeaf { logger.notice("the xDS port answers again", metadata: ["address": "\(address)"]) }
    }

    private func noteFailure(_ reason: String) {
        let isNews = state.withLock { state in
            guard state.failure == nil, ContinuousClock.now - state.lastAnswer >= Self.patience else { return false }
            state.failure = "the xDS port \(address) has not answered for \(Self.patience): \(reason)"
            return true
        }
        guard isNews else { return }
        logger.error(
            "the xDS port doesn't answer: /healthz says 503 until it does",
            metadata: ["address": "\(address)", "reason": "\(reason)"])
    }

    private func connect() async throws {
        let isTLS = isTLS
        let answer = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: answer.futureResult.eventLoop)
                .connectTimeout(Self.attempt)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(FirstAnswer(answer))
                    }
                }
                .connect(host: address.host.description, port: Int(address.port)).get()
        } catch {
            answer.fail(error)
            throw error
        }
        // Called before anything is sent, since the server may close the connection soon.
        connected(UInt16(clamping: channel.localAddress?.port ?? 0))
        if isTLS { try await Self.addTLS(to: channel) }
        let timeout = channel.eventLoop.scheduleTask(in: Self.attempt) { answer.fail(NoAnswer()) }
        if !isTLS { try? await channel.writeAndFlush(ByteBuffer(bytes: Self.greeting)).get() }
        defer {
            timeout.cancel()
            channel.close(promise: nil)
        }
        try await answer.futureResult.get()
    }

    /// Starts a TLS handshake without verifying the certificate.
    private static func addTLS(to channel: any Channel) async throws {
        try await channel.eventLoop.submit {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.certificateVerification = .none
            tls.applicationProtocols = ["h2"]
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: NIOSSLContext(configuration: tls), serverHostname: nil))
        }.get()
    }

    /// The HTTP/2 client connection preface and an empty SETTINGS frame (RFC 9113, 3.4).
    private static let greeting = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
}

private struct NoAnswer: Error, CustomStringConvertible {
    let description = "it takes connections, and doesn't answer"
}

/// Fulfils a promise when data arrives or the connection is closed.
private final class FirstAnswer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let answer: EventLoopPromise<Void>

    init(_ answer: EventLoopPromise<Void>) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // TLS doesn't need to continue: the handshake would fail and add a line to the log.
        answer.succeed()
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        answer.succeed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
