import NIOCore
import NIOPosix
import NIOSSL

/// A TCP or TLS connection for arbitrary bytes.
struct RawConnection: Sendable {
    /// The bytes from the server; ends when the server closes the connection.
    let inbound: NIOAsyncChannelInboundStream<ByteBuffer>
    private let channel: any NIOCore.Channel

    /// Opens a connection while `body` runs.
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

    /// Opens a connection as an HTTP/2 client does, and discards what it receives.
    ///
    /// - Parameter isReading: false for a connection that never reads.
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
                // The attack on this connection ends when the server closes it.
                defer { group.cancelAll() }
                _ = try await group.next()
            }
        }
    }

    /// Writes the bytes, and waits until the system has accepted all of them.
    func write(_ bytes: ByteBuffer) async throws {
        try await withTaskCancellationHandler {
            try await channel.writeAndFlush(bytes)
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}
