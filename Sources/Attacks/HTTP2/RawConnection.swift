import NIOCore
import NIOPosix
import NIOSSL

/// What raw connections are opened to.
struct RawTarget: Sendable {
    /// Attackers' own address, so that limits by address tell them from honest clients.
    static let source = "127.0.0.2"

    var port: Int
    /// Nil for TCP in the clear.
    var tls: NIOSSLContext?

    /// - Parameter port: nil for the xDS server.
    init(_ victim: Victim, port: Int? = nil, showsCertificate: Bool = true) throws {
        self.port = port ?? victim.xdsPort
        guard victim.isTLS, port == nil else { return }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.applicationProtocols = ["h2"]
        configuration.certificateVerification = .none
        if showsCertificate {
            let place = "\(victim.directory)/certs"
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile("\(place)/client.crt")
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: "\(place)/client.key", format: .pem))
        }
        tls = try NIOSSLContext(configuration: configuration)
    }
}

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

/// Connections that are opened again when the server ends them.
struct PersistentAttack: Sendable {
    var target: RawTarget
    var connections = 1
    var isReading = true

    /// Runs `body` on every connection until the time is over.
    ///
    /// - Returns: how many connections there were.
    func run(
        for duration: Duration, _ body: @escaping @Sendable (RawConnection) async throws -> Void
    ) async -> Int {
        let opened = Shared(0)
        let attacking = Task { [self] in
            await withTaskGroup { group in
                for _ in 0..<connections {
                    group.addTask {
                        while !Task.isCancelled {
                            opened.add(1)
                            try? await RawConnection.openHTTP2(to: target, isReading: isReading, body)
                            try? await Task.sleep(for: .milliseconds(20))
                        }
                    }
                }
            }
        }
        await withTaskCancellationHandler {
            try? await Task.sleep(for: duration)
        } onCancel: {
            attacking.cancel()
        }
        attacking.cancel()
        await attacking.value
        return opened.value
    }
}
