import YAMLFile

extension Configuration {
    /// Limits on clients.
    ///
    /// A stream that exceeds a limit ends with a gRPC status that names the limit. A connection that exceeds a limit is
    /// closed, counted and logged.
    public struct Limits: Hashable, Sendable {
        /// The maximum size of a request, in bytes.
        public var messageBytes = 4 * 1024 * 1024
        /// The maximum number of streams on one connection.
        public var streamsPerConnection = 10_000
        /// The maximum number of streams in total.
        public var streams = 25_000
        /// The maximum number of streams of one identity: the names in the certificate, or the IP address (IPv6: the
        /// /64) without one.
        public var streamsPerIdentity = 15_000
        /// The maximum number of streams waiting to be opened, on each of the server's threads.
        public var waitingStreams = 10_000
        /// Streams opened per second; further ones wait.
        public var streamsPerSecond = 5_000
        /// Requests read from one stream per second; further ones wait.
        public var requestsPerSecond = 1_000
        /// Bytes of requests read from one stream per second; further ones wait.
        public var requestBytesPerSecond = 8 << 20
        /// The maximum number of resource names in one stream's subscriptions.
        public var namesPerStream = 50_000
        /// The maximum length of a resource name, in bytes.
        public var nameBytes = 4_096
        /// The maximum memory for the names of one stream, in bytes.
        public var bytesPerStream = 16 << 20
        /// The maximum memory for the names of one connection's streams, in bytes.
        public var bytesPerClient = 16 << 20
        /// The maximum memory for the names of one identity's streams, in bytes; see `streamsPerIdentity`.
        public var bytesPerIdentity = 384 << 20
        /// The maximum memory for the names of all streams, in bytes.
        public var bytes = 512 << 20

        /// The maximum number of open connections.
        public var connections = 10_000
        /// The maximum number of open connections from one address (IPv6: from one /64).
        public var connectionsPerAddress = 2_000
        /// New connections from one address per second, after a burst of `connectionsPerAddress`.
        public var newConnectionsPerSecond = 100
        /// The maximum time to set up a connection, with TLS and HTTP/2.
        public var handshake = Duration.seconds(10)
        /// Streams opened by all connections from one address per second, after a burst of twice
        /// `streamsPerConnection`.
        public var addressStreamsPerSecond = 2_000
        /// Streams opened by one connection per second, after a burst of `streamsPerConnection`.
        public var newStreamsPerSecond = 1_000
        /// Resets of young streams on one connection per second, after a burst of four times as many, as for all rates
        /// below.
        public var resetsPerSecond = 250
        /// PING frames on one connection per second.
        public var pingsPerSecond = 200
        /// SETTINGS frames on one connection per second.
        public var settingsPerSecond = 20
        /// PRIORITY frames on one connection per second.
        public var prioritiesPerSecond = 100
        /// Frames on one connection per second, except DATA frames of more than 1,024 bytes.
        public var framesPerSecond = 100_000
        /// Bytes of header blocks on one connection per second.
        public var headerBytesPerSecond = 1 << 20
        /// The maximum size of incomplete requests on one connection, in bytes.
        public var partialBytes = 16 << 20
        /// The maximum size of incomplete requests on all connections from one address, in bytes.
        public var addressPartialBytes = 64 << 20
        /// The maximum size of incomplete requests on all connections, in bytes.
        public var allPartialBytes = 256 << 20
        /// The maximum size of a header block, in bytes as sent.
        public var headerBlockBytes = 32_768
        /// The maximum number of CONTINUATION frames in one header block.
        public var continuations = 8

        /// Creates the default limits.
        public init() {}
    }
}

extension Configuration.Limits {
    /// The fields that are integers.
    private static var numbers: [(name: String, path: WritableKeyPath<Self, Int>)] {
        [
            ("messageBytes", \.messageBytes), ("streamsPerConnection", \.streamsPerConnection), ("streams", \.streams),
            ("streamsPerIdentity", \.streamsPerIdentity),
            ("waitingStreams", \.waitingStreams), ("streamsPerSecond", \.streamsPerSecond),
            ("requestsPerSecond", \.requestsPerSecond), ("requestBytesPerSecond", \.requestBytesPerSecond),
            ("namesPerStream", \.namesPerStream), ("nameBytes", \.nameBytes), ("bytesPerStream", \.bytesPerStream),
            ("bytesPerClient", \.bytesPerClient), ("bytesPerIdentity", \.bytesPerIdentity), ("bytes", \.bytes),
            ("connections", \.connections), ("connectionsPerAddress", \.connectionsPerAddress),
            ("newConnectionsPerSecond", \.newConnectionsPerSecond), ("newStreamsPerSecond", \.newStreamsPerSecond),
            ("addressStreamsPerSecond", \.addressStreamsPerSecond),
            ("resetsPerSecond", \.resetsPerSecond), ("pingsPerSecond", \.pingsPerSecond),
            ("settingsPerSecond", \.settingsPerSecond), ("prioritiesPerSecond", \.prioritiesPerSecond),
            ("framesPerSecond", \.framesPerSecond), ("headerBytesPerSecond", \.headerBytesPerSecond),
            ("headerBlockBytes", \.headerBlockBytes),
            ("partialBytes", \.partialBytes), ("addressPartialBytes", \.addressPartialBytes),
            ("allPartialBytes", \.allPartialBytes), ("continuations", \.continuations),
        ]
    }

    /// Reads `xds.limits`.
    init(_ entry: YAMLReader) throws(ConfigurationError) {
        let fields = try entry.mapping(Self.numbers.map(\.name) + ["handshake"])
        for (name, path) in Self.numbers {
            if let value = fields[name] { self[keyPath: path] = try value.integer(in: 1...Int(Int32.max)) }
        }
        if let value = fields["handshake"] { handshake = try value.duration() }
        // A smaller limit would close the connections of clients that send only what the other limits allow.
        let order = [
            ("messageBytes", messageBytes), ("partialBytes", partialBytes),
            ("addressPartialBytes", addressPartialBytes), ("allPartialBytes", allPartialBytes),
        ]
        for (smaller, larger) in zip(order, order.dropFirst()) where larger.1 < smaller.1 {
            throw (fields[larger.0] ?? fields[smaller.0] ?? entry).error(
                "\(larger.0) is \(larger.1), less than \(smaller.0), \(smaller.1): set it to \(smaller.1) or more")
        }
    }
}
