import CGRPC

/// A server's limits on streams and messages.
public struct ServerLimits: Hashable, Sendable {
    /// The limit on the length of a received message, in bytes.
    ///
    /// A longer message ends its stream with RESOURCE_EXHAUSTED.
    public var messageBytes = 4 * 1024 * 1024
    /// Streams per connection; more wait at the client (HTTP/2's SETTINGS_MAX_CONCURRENT_STREAMS).
    ///
    /// An Envoy without ADS opens one stream for each Envoy cluster.
    public var streamsPerConnection = 10_000
    /// Open streams in total.
    ///
    /// More are refused with RESOURCE_EXHAUSTED.
    public var streams = 25_000
    /// Open streams per identity: the names in the client's certificate, or its IP address (IPv6: its /64) if it has
    /// none.
    ///
    /// More are refused with RESOURCE_EXHAUSTED.
    public var streamsPerIdentity = 15_000
    /// Connections with open streams, counted by peer address.
    ///
    /// Streams of further connections are refused with RESOURCE_EXHAUSTED.
    public var connections = 10_000
    /// Streams opened per second, after a burst of one second's worth.
    ///
    /// More wait: those of one connection in order, and the connections in turn. So when thousands of clients reconnect
    /// at once, the clients that are connected are still served well.
    public var streamsPerSecond = 5_000
    /// Streams that wait to be opened, per completion queue.
    ///
    /// More are refused with RESOURCE_EXHAUSTED.
    public var waitingStreams = 10_000
    /// Messages read per second from one stream, after a burst of one second's worth.
    ///
    /// More wait, and finally at the client.
    public var messagesPerSecond = 1_000
    /// Bytes of messages read per second from one stream, after a burst of one second's worth; at least 1,024.
    ///
    /// More wait, and finally at the client.
    public var messageBytesPerSecond = 8 << 20

    /// Creates the default limits.
    public init() {}
}

/// A server's limits and connection settings.
public struct ServerConfiguration: Hashable, Sendable {
    /// Limits on streams and messages.
    public var limits = ServerLimits()
    /// Limits on connections and HTTP/2 frames.
    public var connections = ConnectionLimits()
    /// The number of completion queues, each with its own thread.
    public var queues = 2
    /// A connection that has been idle for this long is pinged.
    ///
    /// It is closed if no response comes within `keepaliveTimeout`.
    public var keepaliveInterval = Duration.seconds(30)
    /// See `keepaliveInterval`.
    public var keepaliveTimeout = Duration.seconds(10)
    /// The longest life of a connection, give or take a tenth.
    ///
    /// Then the server closes it with a GOAWAY, and the client reconnects. Nil for no limit.
    public var longestConnection: Duration?
    /// The least time between a client's pings while nothing is sent.
    ///
    /// A client that pings more often gets a GOAWAY (ENHANCE_YOUR_CALM).
    public var shortestClientPing = Duration.seconds(5)

    /// Creates the defaults, which match Envoy's.
    public init() {}

    var arguments: ChannelArguments {
        var arguments = ChannelArguments()
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, limits.messageBytes)
        arguments.set(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.streamsPerConnection)
        // The time limit covers the TLS handshake, if any, and the client's SETTINGS frame.
        arguments.set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, connections.handshake.milliseconds)
        if let longestConnection {
            arguments.set(GRPC_ARG_MAX_CONNECTION_AGE_MS, longestConnection.milliseconds)
            // Streams don't end by themselves, so a longer grace would not help.
            arguments.set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 1_000)
        }
        arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, keepaliveInterval.milliseconds)
        arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepaliveTimeout.milliseconds)
        arguments.set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1)
        arguments.set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0)
        arguments.set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, shortestClientPing.milliseconds)
        // With BDP probes C-core sends a ping for every ACK: a quarter of a push's CPU time, measured.
        arguments.set(GRPC_ARG_HTTP2_BDP_PROBE, 0)
        // C-core's records of channels and calls are not used, and no message is compressed.
        arguments.set(GRPC_ARG_ENABLE_CHANNELZ, 0)
        arguments.set(GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM, 0)
        arguments.refuseCompression()
        arguments.set(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0)
        // Otherwise two servers could share one port, and the clients, without an error.
        arguments.set(GRPC_ARG_ALLOW_REUSEPORT, 0)
        return arguments
    }
}

extension Duration {
    /// In whole milliseconds.
    var milliseconds: Int { Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}
