import NIOCore
import NIOPosix
import Synchronization

/// A proxy on loopback that supports HTTP CONNECT and SOCKS 5 (RFC 1928, without authentication), and records its
/// targets.
public final class Proxy: Sendable {
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
                        ProxyConnection { target in log.targets.withLock { $0.append(target) } })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// The port.
    public var port: Int { channel.localAddress?.port ?? 0 }

    /// The targets that clients requested.
    public var targets: [String] { log.targets.withLock { $0 } }

    /// Stops listening.
    public func stop() async { try? await channel.close() }
}

/// Reads the target, connects to it, and forwards bytes in both directions.
private final class ProxyConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let note: @Sendable (String) -> Void
    private var head = ByteBuffer()
    private var isGreeted = false
    private var other: (any NIOCore.Channel)?

    init(_ note: @escaping @Sendable (String) -> Void) { self.note = note }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if let other { return other.writeAndFlush(bytes, promise: nil) }
        head.writeBuffer(&bytes)
        if head.getInteger(at: 0, as: UInt8.self) == 5 {
            readSOCKS(context)
        } else {
            readConnect(context)
        }
    }

    private func readConnect(_ context: ChannelHandlerContext) {
        let text = String(buffer: head)
        guard text.contains("\r\n\r\n") else { return }
        let words = text.split(separator: " ")
        guard words.count > 1, words[0] == "CONNECT", let colon = words[1].lastIndex(of: ":"),
            let port = Int(words[1][words[1].index(after: colon)...])
        else { return context.close(promise: nil) }
        connect(context, String(words[1][..<colon]), port, ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"))
    }

    private func readSOCKS(_ context: ChannelHandlerContext) {
        if !isGreeted {
            guard let methods = head.getInteger(at: 1, as: UInt8.self), head.readableBytes >= 2 + Int(methods) else {
                return
            }
            head.clear()
            isGreeted = true
            return context.channel.writeAndFlush(ByteBuffer(bytes: [5, 0]), promise: nil)
        }
        // Version, CONNECT, a reserved byte, the address type, the address, the port.
        guard let type = head.getInteger(at: 3, as: UInt8.self) else { return }
        guard type == 1 else { return context.close(promise: nil) }
        guard let address = head.getBytes(at: 4, length: 4), let port = head.getInteger(at: 8, as: UInt16.self) else {
            return
        }
        let host = address.map(String.init).joined(separator: ".")
        connect(context, host, Int(port), ByteBuffer(bytes: [5, 0, 0, 1] + address + [0, 0]))
    }

    private func connect(_ context: ChannelHandlerContext, _ host: String, _ port: Int, _ answer: ByteBuffer) {
        note("\(host):\(port)")
        let client = context.channel
        let back = Back(client)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(back) }
            }
            .connect(host: host, port: port)
            .assumeIsolated().whenComplete { result in
                switch result {
                case .success(let channel):
                    self.other = channel
                    client.writeAndFlush(answer, promise: nil)
                case .failure: client.close(promise: nil)
                }
            }
    }

    func channelInactive(context: ChannelHandlerContext) { other?.close(promise: nil) }
}

/// Forwards bytes from the target to the client.
private final class Back: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let client: any NIOCore.Channel

    init(_ client: any NIOCore.Channel) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        client.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { client.close(promise: nil) }
}
