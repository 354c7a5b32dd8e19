import CGRPC
import Glibc
public import Logging
import Synchronization

/// A gRPC server for bidirectional streams, based on C-core.
public final class Server<Handler: StreamHandler>: @unchecked Sendable {
    // Safety: the pointer is set once, and C-core's server is thread-safe.

    /// Owned: destroyed by `shutdown`.
    private let raw: OpaquePointer
    private let shards: [StreamShard<Handler>]
    private let admission: Admission
    private let limits: ServerLimits
    private let largeMessages: LargeMessagePaces
    private let accept: @Sendable (StreamHead) -> Handler?
    /// Ends streams whose certificates expire.
    private let expiring = Mutex<Task<Void, Never>?>(nil)
    private let logger: Logger
    private let certificates = ServerCertificates(.plaintext)
    private let peers = PeerCertificates()
    /// Limits and counts the server's connections.
    public let connections: ConnectionGuard

    /// How many calls C-core may hand over at once on each queue.
    ///
    /// These slots are always requested, because calls without a slot wait inside C-core without a limit.
    private static var acceptSlots: Int { 64 }

    /// Creates a server that doesn't listen yet.
    ///
    /// - Parameter accept: creates a stream's handler, on the handler's thread. Nil means that there is no such method,
    ///   and
    ///   the stream ends with UNIMPLEMENTED.
    public init(
        configuration: ServerConfiguration, logger: Logger, accept: @escaping @Sendable (StreamHead) -> Handler?
    ) {
        CoreLibrary.initialize()
        OpenFiles.raiseLimit()
        guard let raw = configuration.arguments.withCArguments({ grpc_server_create($0, nil) }) else {
            preconditionFailure("C-core returns a server or ends the process")
        }
        self.raw = raw
        self.accept = accept
        self.logger = logger
        admission = Admission(limits: configuration.limits)
        limits = configuration.limits
        largeMessages = LargeMessagePaces(bytesPerSecond: configuration.limits.messageBytesPerSecond)
        var connectionLimits = configuration.connections
        connectionLimits.messageBytes = configuration.limits.messageBytes
        connections = ConnectionGuard(connectionLimits)
        let rate = configuration.limits.streamsPerSecond / configuration.queues
        shards = (0..<configuration.queues).map { _ in StreamShard(streamsPerSecond: rate) }
        for shard in shards { grpc_server_register_completion_queue(raw, shard.queue.raw, nil) }
    }

    /// Listens, and serves until `shutdown`.
    ///
    /// - Parameter address: an IP address and a port; port 0 lets the system choose.
    /// - Returns: the port.
    /// - Throws: an error if it can't listen. The server can't be used after that.
    public func start(address: String, security: ServerSecurity) async throws(TransportError) -> UInt16 {
        if let name = ConnectionGuard.missingFunction {
            await free()
            throw TransportError(
                """
                the connection guard can't see what libgrpc reads: libgrpc doesn't call this program's `\(name)`. Link \
                libgrpc as a shared library that is not linked with -Bsymbolic, as Debian's
                """)
        }
        certificates.replace(with: security)
        guard let credentials = certificates.makeCredentials() else {
            await free()
            throw TransportError(
                "the TLS certificate or key can't be used: check that both are PEM and belong together")
        }
        let isTLS = if case .tls = security { true } else { false }
        let port = connections.whileListening(isTLS: isTLS) { grpc_server_add_http2_port(raw, address, credentials) }
        grpc_server_credentials_release(credentials)
        guard let port = UInt16(exactly: port), port > 0 else {
            await free()
            let reason = CoreLog.takeListenFailure() ?? "is the port taken, or the address another machine's?"
            throw TransportError("can't listen on \(address) (xds.listen): \(reason)")
        }
        grpc_server_start(raw)
        for shard in shards {
            shard.start()
            await shard.perform { shard in
                for _ in 0..<Self.acceptSlots { self.requestCall(on: shard) }
            }
        }
        let isMutual = if case .tls(_, .some) = security { true } else { false }
        if isMutual { expiring.withLock { $0 = Task { await self.endExpired() } } }
        return port
    }

    /// Replaces the certificates for new connections.
    ///
    /// If C-core can't use them, it logs that at the next handshake, and the last good ones stay. Whether the server
    /// uses TLS, and whether it requires client certificates, doesn't change. Streams end with UNAUTHENTICATED if no
    /// authority signed their client's certificate any more; their connections are closed after that.
    public func replaceCertificates(_ security: ServerSecurity) async {
        guard let authorities = certificates.replace(with: security) else { return }
        await end(peers.replaceAuthorities(with: authorities), .authorityGone)
    }

    /// Ends streams whose certificates expire, and then their connections, until the task is cancelled.
    private func endExpired() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            await end(peers.expired(at: time(nil)), .expired)
        }
    }

    /// Ends the streams of some connections.
    ///
    /// Closes the connections a second later, when the clients have had time to read the status; a new connection can
    /// present another certificate.
    private func end(_ connections: Set<String>, _ reason: PeerCertificate.End) async {
        guard !connections.isEmpty else { return }
        for shard in shards { await shard.end(connections, reason.status) }
        Task {
            try? await Task.sleep(for: .seconds(1))
            self.connections.end(connections)
        }
    }

    /// The number of streams refused because of a limit so far, and the status of the last one.
    public var refusals: (count: Int, last: GRPCStatus?) { admission.refusals }

    /// The number of threads that serve streams.
    public var threadCount: Int { shards.count }

    /// Calls `body` with the handler of every open stream of one thread, on that thread, and then writes the handlers'
    /// next messages.
    ///
    /// - Parameter thread: counts from 0.
    public func forEach(onThread thread: Int, _ body: @Sendable (Handler) -> Void) async {
        await shards[thread].forEach(body)
    }

    /// Calls `body` with the handler of every open stream, one thread after the other.
    public func forEach(_ body: @Sendable (Handler) -> Void) async {
        for thread in shards.indices { await forEach(onThread: thread, body) }
    }

    /// Collects an answer from the handler of every open stream, each on its own thread.
    public func collect<Answer: Sendable>(_ question: @escaping @Sendable (Handler) -> Answer) async -> [Answer] {
        var answers: [Answer] = []
        for shard in shards { answers += await shard.collect(question) }
        return answers
    }

    /// Stops listening and ends every stream with UNAVAILABLE.
    ///
    /// Cancels those that are still open after `grace`, and frees everything.
    ///
    /// Call it once; a server that was started must be shut down.
    public func shutdown(grace: Duration) async {
        expiring.withLock { $0.take() }?.cancel()
        await withTaskGroup { group in
            group.addTask { await self.stopListening() }
            group.addTask {
                for shard in self.shards {
                    await shard.finishAll(GRPCStatus(.unavailable, "the server is shutting down"))
                }
            }
            let deadline = Task {
                try await Task.sleep(for: grace)
                grpc_server_cancel_all_calls(self.raw)
            }
            await group.waitForAll()
            deadline.cancel()
            // The task may be inside C-core, so the server must not be freed before it is over.
            _ = await deadline.result
        }
        await free()
    }

    private func free() async {
        grpc_server_destroy(raw)
        for shard in shards { await shard.stop() }
        grpc_shutdown()
    }

    /// Returns when all streams have ended; C-core signals that on the first queue.
    private func stopListening() async {
        await withCheckedContinuation { continuation in
            let raw = SendablePointer(raw)
            Task {
                await shards[0].perform { shard in
                    let end = ShutdownNotice { [unowned shard] notice in
                        shard.assumeIsolated { $0.drop(notice) }
                        continuation.resume()
                    }
                    shard.keep(waiting: end)
                    grpc_server_shutdown_and_notify(raw.pointer, shard.queue.raw, end.tag)
                }
            }
        }
    }

    /// Requests one more call from C-core for this shard.
    private func requestCall(on shard: isolated StreamShard<Handler>) {
        let pending = PendingCall { [unowned shard] pending, call in
            shard.assumeIsolated { $0.drop(pending) }
            guard let call else { return }
            shard.assumeIsolated { shard in
                self.requestCall(on: shard)
                self.accept(call, on: shard)
            }
        }
        shard.keep(waiting: pending)
        pending.request(from: raw, queue: shard.queue.raw)
    }

    /// Opens a call's stream, refuses it, or queues it for opening.
    private func accept(_ accepted: AcceptedCall, on shard: isolated StreamShard<Handler>) {
        let head = accepted.head
        let admitted = admission.admit(head)
        let pace = ReadingPace(limits, largeMessages, of: head.identity) { [unowned shard] id, wait in
            shard.resumeReading(id, after: wait)
        }
        let stream = MessageStream<Handler>(
            call: accepted.call, role: .server, connection: head.peer, pace: pace
        ) { [unowned shard, admission, peers] id in
            shard.assumeIsolated { $0.drop(id, of: head.peer) }
            peers.leave(head.peer)
            switch admitted {
            case .success: admission.leave(head)
            case .failure: admission.forgetRefusal(of: head)
            }
        }
        stream.start()
        shard.keep(stream)
        // The connection may be older than the current authorities, or its certificate may have expired meanwhile.
        if let end = peers.enter(head.peer, at: time(nil), accepted.readCertificate) {
            refuse(stream, head, end.status)
            Task { await self.end([head.peer], end) }
            return
        }
        switch admitted {
        case .failure(let status):
            refuse(stream, head, status)
            if admission.noteRefusal(of: head, status) { connections.end([head.peer]) }
        case .success where shard.waitingCount >= limits.waitingStreams:
            refuse(
                stream, head,
                GRPCStatus(
                    .resourceExhausted,
                    "the server's limit of \(limits.waitingStreams) streams that wait is reached (xds.limits.waitingStreams)"
                ))
        case .success: shard.open(stream.id, of: head.peer) { [self] in open($0, head) }
        }
    }

    private func open(_ stream: MessageStream<Handler>, _ head: StreamHead) {
        if let handler = accept(head) {
            stream.open(handler)
        } else {
            refuse(stream, head, GRPCStatus(.unimplemented, "no such method: \(head.method.prefix(200))"))
        }
    }

    private func refuse(_ stream: MessageStream<Handler>, _ head: StreamHead, _ status: GRPCStatus) {
        logger.debug("stream refused", metadata: ["peer": "\(head.peer)", "status": "\(status)"])
        stream.finish(status)
    }
}

/// A thread-safe C object's pointer, for closures that cross threads.
private struct SendablePointer: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}
