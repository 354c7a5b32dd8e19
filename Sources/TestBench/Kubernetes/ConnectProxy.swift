import NIOCore
import NIOPosix
import Synchronization

/// An HTTP proxy on loopback that knows CONNECT, and counts.
public final class ConnectProxy: Sendable {
    private let channel: any NIOCore.Channel
    private let log: Log

    private final class Log: Sendable {
        let targets = Mutex<[String]>([])
    }

    /// Listens on a port that the system chooses.
    public init() async throws {
        let log = Log()
        self.log = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Relay { target in log.targets.withLock { $0.append(target) } })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// Where it listens.
    public var port: Int { channel.localAddress?.port ?? 0 }

    /// Where clients asked it to connect to.
    public var targets: [String] { log.targets.withLock { $0 } }

    /// Stops listening.
    public func stop() async { try? await channel.close() }
}

/// Reads a CONNECT, connects, and passes bytes on in both directions.
private final class Relay: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let note: @Sendable (String) -> Void
    private var head = ByteBuffer()
    private var other: (any NIOCore.Channel)?

    init(_ note: @escaping @Sendable (String) -> Void) { self.note = note }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if let other { return other.writeAndFlush(bytes, promise: nil) }
        head.writeBuffer(&bytes)
        let text = String(buffer: head)
        guard text.contains("\r\n\r\n") else { return }
        let words = text.split(separator: " ")
        guard words.count > 1, words[0] == "CONNECT", let colon = words[1].lastIndex(of: ":"),
            let port = Int(words[1][words[1].index(after: colon)...])
        else { return context.close(promise: nil) }
        note(String(words[1]))
        let client = context.channel
        let back = Back(client)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(back) }
            }
            .connect(host: String(words[1][..<colon]), port: port)
            .assumeIsolated().whenComplete { result in
                switch result {
                case .success(let channel):
                    self.other = channel
                    client.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"), promise: nil)
                case .failure: client.close(promise: nil)
                }
            }
    }

    func channelInactive(context: ChannelHandlerContext) { other?.close(promise: nil) }
}

/// The way back.
private final class Back: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let client: any NIOCore.Channel

    init(_ client: any NIOCore.Channel) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        client.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { client.close(promise: nil) }
}
