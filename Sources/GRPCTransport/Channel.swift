import CGRPC
import Synchronization

/// A connection to a gRPC server, made when the first stream is opened.
public final class Channel: @unchecked Sendable {
    // Safety: the pointer is set once, and C-core's channel is safe from any thread.

    /// Owned: destroyed by `shutdown`.
    private let raw: OpaquePointer
    private let shard = StreamShard<ClientHandler>()

    /// - Parameter address: an IP address and a port. Each channel has connections of its own.
    public init(address: String, security: ChannelSecurity = .plaintext) throws(TransportError) {
        CoreLibrary.initialize()
        var arguments = ChannelArguments()
        arguments.set(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1)
        arguments.set(GRPC_ARG_HTTP2_BDP_PROBE, 0)
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1)
        arguments.set(GRPC_ARG_ENABLE_HTTP_PROXY, 0)
        if case .tls(_, let serverName, _) = security { arguments.set(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, serverName) }
        guard let credentials = security.makeCredentials() else {
            grpc_shutdown()
            throw TransportError("the TLS certificate, key or roots can't be used: check that all are PEM")
        }
        defer { grpc_channel_credentials_release(credentials) }
        guard let raw = arguments.withCArguments({ grpc_channel_create(address, credentials, $0) }) else {
            preconditionFailure("C-core returns a channel or ends the process")
        }
        self.raw = raw
        shard.start()
    }

    /// Opens a bidirectional stream.
    ///
    /// A server that can't be reached ends it with UNAVAILABLE.
    ///
    /// - Parameter isReading: false for a stream that never reads, to see what its server does about it.
    public func open(_ method: String, isReading: Bool = true) async -> ClientStream {
        let (messages, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        let identifier = await shard.perform { shard in
            let name = grpc_slice_from_copied_string(method)
            defer { grpc_slice_unref(name) }
            guard
                let call = grpc_channel_create_call(
                    self.raw, nil, 0, shard.queue.raw, name, nil, gpr_inf_future(GPR_CLOCK_MONOTONIC), nil
                )
            else { preconditionFailure("C-core returns a call or ends the process") }
            let handler = ClientHandler(messages: continuation)
            let stream = MessageStream(call: call, role: .client, handler: handler) { [unowned shard] id in
                shard.assumeIsolated { $0.drop(id) }
            }
            shard.keep(stream)
            stream.start(isReading: isReading)
            return ObjectIdentifier(stream)
        }
        return ClientStream(messages: messages, shard: shard, identifier: identifier)
    }

    /// Cancels every stream and frees everything.
    ///
    /// Call it once.
    public func shutdown() async {
        await shard.finishAll(GRPCStatus(.cancelled))
        grpc_channel_destroy(raw)
        await shard.stop()
        grpc_shutdown()
    }
}

/// A client's end of a stream.
public struct ClientStream: Sendable {
    /// What the server sends, in order.
    ///
    /// Ends when the server ends the stream with OK, and throws `GRPCStatus` for any other end.
    public let messages: AsyncThrowingStream<[UInt8], any Error>
    fileprivate let shard: StreamShard<ClientHandler>
    fileprivate let identifier: ObjectIdentifier

    /// Queues a message for sending.
    public func send(_ message: [UInt8]) async {
        await shard.perform { shard in
            guard let stream = shard.stream(identifier), let handler = stream.openHandler else { return }
            handler.outgoing.append(message)
            stream.pump()
        }
    }

    /// Sends no more; the server may go on.
    public func halfClose() async { await shard.perform { $0.stream(identifier)?.halfClose() } }

    /// Ends the stream at once.
    public func cancel() async { await shard.perform { $0.stream(identifier)?.cancel() } }
}

/// Passes messages on to whoever iterates over them, and sends what is queued.
final class ClientHandler: StreamHandler {
    fileprivate var outgoing: [[UInt8]] = []
    private let messages: AsyncThrowingStream<[UInt8], any Error>.Continuation

    fileprivate init(messages: AsyncThrowingStream<[UInt8], any Error>.Continuation) { self.messages = messages }

    func receive(_ message: RawSpan) throws(GRPCStatus) { messages.yield([UInt8](copying: message)) }

    func nextMessage() -> [Slice]? { outgoing.isEmpty ? nil : [Slice(outgoing.removeFirst())] }

    func closed(_ status: GRPCStatus) {
        messages.finish(throwing: status.code == .ok ? nil : status)
    }
}
