import CGRPC

/// How much a server takes from its clients.
public struct ServerLimits: Hashable, Sendable {
    /// The longest message that a client may send, in bytes.
    ///
    /// A longer one ends its stream with RESOURCE_EXHAUSTED.
    public var messageBytes = 4 * 1024 * 1024
    /// Streams on one connection; further ones wait at the client (HTTP/2's SETTINGS_MAX_CONCURRENT_STREAMS).
    ///
    /// An Envoy without ADS opens one for each Envoy cluster.
    public var streamsPerConnection = 10_000
    /// Open streams in all.
    ///
    /// One more is refused with RESOURCE_EXHAUSTED.
    public var streams = 25_000
    /// Open streams of clients with the same identities, or at the same IP address (IPv6: in the same /64) if they show none.
    ///
    /// One more is refused with RESOURCE_EXHAUSTED.
    public var streamsPerIdentity = 15_000
    /// Connections with open streams, told apart by the peer's address.
    ///
    /// A stream from one more is refused with RESOURCE_EXHAUSTED.
    public var connections = 10_000
    /// Streams that are opened in a second, after a burst of as many.
    ///
    /// Further ones wait, those of each connection in order and the connections in turn: when thousands of clients come
    /// back at once, those that are served are served well.
    public var streamsPerSecond = 5_000
    /// Streams that wait to be opened, on each completion queue.
    ///
    /// One more is refused with RESOURCE_EXHAUSTED.
    public var waitingStreams = 10_000
    /// Messages that are taken from one stream in a second, after a burst of as many.
    ///
    /// Further ones wait, in the client in the end.
    public var messagesPerSecond = 1_000
    /// Bytes of messages that are taken from one stream in a second, after a burst of as many; at least 1,024.
    ///
    /// Further messages wait, in the client in the end.
    public var messageBytesPerSecond = 8 << 20

    /// The default limits.
    public init() {}
}

/// How a server talks, whatever it says.
public struct ServerConfiguration: Hashable, Sendable {
    /// How much it takes.
    public var limits = ServerLimits()
    /// How much it takes of its connections before anything is a stream.
    public var connections = ConnectionLimits()
    /// Completion queues, each with a thread of its own.
    public var queues = 2
    /// A connection that has been silent for this long is pinged, and closed if no answer comes within
    /// `keepaliveTimeout`.
    public var keepaliveInterval = Duration.seconds(30)
    /// See `keepaliveInterval`.
    public var keepaliveTimeout = Duration.seconds(10)
    /// A connection that is older than this, a tenth more or less, is ended, and its client told to come back (GOAWAY); nil
    /// for never.
    public var longestConnection: Duration?
    /// A client that pings more often than this, while nothing is sent, is told to calm down (GOAWAY,
    /// ENHANCE_YOUR_CALM).
    public var shortestClientPing = Duration.seconds(5)

    /// The defaults, which suit Envoy's.
    public init() {}

    var arguments: ChannelArguments {
        var arguments = ChannelArguments()
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, limits.messageBytes)
        arguments.set(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.streamsPerConnection)
        // A connection has to have sent its SETTINGS by then, after its TLS handshake if there is one.
        arguments.set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, connections.handshake.milliseconds)
        if let longestConnection {
            arguments.set(GRPC_ARG_MAX_CONNECTION_AGE_MS, longestConnection.milliseconds)
            // Streams have no end of their own.
            arguments.set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 1_000)
        }
        arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, keepaliveInterval.milliseconds)
        arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepaliveTimeout.milliseconds)
        arguments.set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1)
        arguments.set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0)
        arguments.set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, shortestClientPing.milliseconds)
        // A ping for every ACK otherwise: a quarter of the CPU of a push, measured.
        arguments.set(GRPC_ARG_HTTP2_BDP_PROBE, 0)
        // Nobody asks for C-core's own records of channels and calls, and nothing that is sent is compressed.
        arguments.set(GRPC_ARG_ENABLE_CHANNELZ, 0)
        arguments.set(GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM, 0)
        arguments.refuseCompression()
        arguments.set(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0)
        // Two servers on one port would share the clients without a word.
        arguments.set(GRPC_ARG_ALLOW_REUSEPORT, 0)
        return arguments
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int { Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}
