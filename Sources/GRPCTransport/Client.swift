import CGRPC

/// A gRPC client with many streams over several connections, on a few threads.
public final class Client<Handler: StreamHandler>: @unchecked Sendable {
    // Safety: the pointers are set once, and C-core's channels are thread-safe.

    /// Owned: destroyed by `shutdown`.
    private let channels: [OpaquePointer]
    private let shards: [StreamShard<Handler>]

    /// Creates a client; a connection is established when its first stream is opened.
    ///
    /// - Parameters:
    ///   - address: an IP address and a port.
    ///   - connections: at least 1; a lost connection is established again when a stream is opened on it.
    ///   - queues: at least 1, each with its own thread.
    ///   - keepalive: when an idle connection is pinged, and how long the response may take; nil for no pings. A
    ///     connection that receives anything, however slowly, is alive.
    ///   - messageBytes: the limit on the length of a received message, in bytes; nil for none. A longer message ends
    ///     its stream with RESOURCE_EXHAUSTED.
    public init(
        address: String, security: ChannelSecurity = .plaintext, connections: Int = 1, queues: Int = 1,
        keepalive: Keepalive? = nil, messageBytes: Int? = nil
    ) throws(TransportError) {
        CoreLibrary.initialize()
        OpenFiles.raiseLimit()
        var arguments = ChannelArguments()
        arguments.set(GRPC_ARG_HTTP2_BDP_PROBE, 0)
        arguments.set(GRPC_ARG_ENABLE_CHANNELZ, 0)
        arguments.refuseCompression()
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, messageBytes ?? -1)
        arguments.set(GRPC_ARG_ENABLE_HTTP_PROXY, 0)
        arguments.set(GRPC_ARG_ENABLE_RETRIES, 0)
        // Each channel has its own connection, and reconnects about as fast as an Envoy.
        arguments.set(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1)
        arguments.set(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 250)
        arguments.set(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1_000)
        if let keepalive {
            arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive.interval.milliseconds)
            arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive.timeout.milliseconds)
            arguments.set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0)
            arguments.set(
                GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, keepalive.interval.milliseconds)
        }
        if case .tls(_, let serverName, _) = security { arguments.set(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, serverName) }
        guard let credentials = security.makeCredentials() else {
            grpc_shutdown()
            throw TransportError("the TLS certificate, key or roots can't be used: check that all are PEM")
        }
        defer { grpc_channel_credentials_release(credentials) }
        channels = arguments.withCArguments { arguments in
            (0..<connections).map { _ in
                guard let raw = grpc_channel_create(address, credentials, arguments) else {
                    preconditionFailure("C-core returns a channel or ends the process")
                }
                return raw
            }
        }
        shards = (0..<queues).map { _ in StreamShard() }
        for shard in shards { shard.start() }
    }

    /// Opens a bidirectional stream.
    ///
    /// If the server can't be reached, the stream ends with UNAVAILABLE; after `shutdown`, at once with CANCELLED.
    ///
    /// - Parameters:
    ///   - connection: the index of the connection, which also determines the thread.
    ///   - isReading: false for a stream that never reads, to test how the server copes.
    ///   - makeHandler: called on the handler's thread.
    /// - Returns: a reference to the stream.
    @discardableResult
    public func open(
        _ method: String, on connection: Int = 0, isReading: Bool = true,
        _ makeHandler: @escaping @Sendable () -> Handler
    ) async -> StreamReference<Handler> {
        let shard = shards[connection % shards.count]
        let channel = connection % channels.count
        let id: OwnerID? = await shard.perform { shard in
            let handler = makeHandler()
            // After `shutdown`, no call can be started: the channels and queues are gone.
            if let status = shard.finalStatus {
                handler.closed(status)
                return nil
            }
            let name = grpc_slice_from_copied_string(method)
            defer { grpc_slice_unref(name) }
            guard
                let call = grpc_channel_create_call(
                    self.channels[channel], nil, 0, shard.queue.raw, name, nil,
                    gpr_inf_future(GPR_CLOCK_MONOTONIC), nil)
            else { preconditionFailure("C-core returns a call or ends the process") }
            let stream = MessageStream<Handler>(call: call, role: .client) { [unowned shard] id in
                shard.assumeIsolated { $0.drop(id) }
            }
            shard.keep(stream)
            stream.start()
            stream.open(handler, isReading: isReading)
            return stream.id
        }
        return StreamReference(shard: shard, id: id)
    }

    /// Cancels all streams and frees everything.
    ///
    /// Call it once.
    public func shutdown() async {
        for shard in shards { await shard.finishAll(GRPCStatus(.cancelled)) }
        for channel in channels { grpc_channel_destroy(channel) }
        for shard in shards { await shard.stop() }
        grpc_shutdown()
    }
}

/// How a client detects a dead connection.
public struct Keepalive: Hashable, Sendable {
    /// A connection that has received nothing for this long is pinged.
    public var interval: Duration
    /// The connection is closed if the response takes longer than this.
    public var timeout: Duration

    /// Creates the settings.
    ///
    /// A server may require some seconds between pings: see `ServerConfiguration.shortestClientPing`.
    public init(interval: Duration, timeout: Duration) {
        self.interval = interval
        self.timeout = timeout
    }
}

/// A reference to a client's stream, usable from any thread.
public struct StreamReference<Handler: StreamHandler>: Sendable {
    fileprivate let shard: StreamShard<Handler>
    /// Nil for a stream that was opened after `shutdown`.
    fileprivate let id: OwnerID?

    /// Calls `body` with the handler, on its thread, and then writes the handler's next messages.
    ///
    /// Does nothing if the stream has ended.
    public func perform(_ body: @Sendable (Handler) -> Void) async {
        await shard.perform { shard in
            guard let stream = stream(on: shard), let handler = stream.openHandler else { return }
            body(handler)
            stream.pump()
        }
    }

    /// Ends sending; the server may continue.
    public func halfClose() async { await shard.perform { stream(on: $0)?.halfClose() } }

    /// Cancels the stream.
    public func cancel() async { await shard.perform { stream(on: $0)?.cancel() } }

    private func stream(on shard: isolated StreamShard<Handler>) -> MessageStream<Handler>? {
        id.flatMap { shard.stream($0) }
    }
}
