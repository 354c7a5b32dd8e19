import NIOCore
import NIOPosix
import NIOSSL

/// A TCP or TLS connection that carries whatever bytes it is given.
struct RawConnection: Sendable {
    /// What the server sends; it ends when the server ends the connection.
    let inbound: NIOAsyncChannelInboundStream<ByteBuffer>
    private let channel: any NIOCore.Channel

    /// Opens a connection for as long as `body` runs.
    static func open<Result: Sendable>(
        to target: RawTarget, _ body: @Sendable (RawConnection) async throws -> Result
    ) async throws -> Result {
        let source = try SocketAddress(ipAddress: RawTarget.source, port: 0)
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(to: source)
            .connectTimeout(.seconds(5))
            .connect(host: "127.0.0.1", port: target.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = target.tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "ballast.example"))
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, _ in
            try await body(RawConnection(inbound: inbound, channel: channel.channel))
        }
    }

    /// Opens a connection as an HTTP/2 client does, and reads without looking at anything.
    ///
    /// - Parameter isReading: false for one that never reads.
    static func openHTTP2(
        to target: RawTarget, isReading: Bool = true, _ body: @escaping @Sendable (RawConnection) async throws -> Void
    ) async throws {
        try await open(to: target) { connection in
            var hello = ByteBuffer(string: HTTP2Frame.preface)
            hello.writeSettings([])
            hello.writeFrame(.settings, flags: HTTP2Frame.Flag.acknowledgement)
            try await connection.write(hello)
            guard isReading else { return try await body(connection) }
            try await withThrowingTaskGroup { group in
                group.addTask { for try await _ in connection.inbound {} }
                group.addTask { try await body(connection) }
                // The server's end of it ends the attack on it.
                defer { group.cancelAll() }
                _ = try await group.next()
            }
        }
    }

    /// Writes, and waits until the system has taken all of it.
    func write(_ bytes: ByteBuffer) async throws {
        try await withTaskCancellationHandler {
            try await channel.writeAndFlush(bytes)
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}
