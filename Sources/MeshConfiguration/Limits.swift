import YAMLFile

extension Configuration {
    /// Limits on clients.
    ///
    /// A stream that breaks one ends with a gRPC status that names it; a connection that breaks one is closed, counted and
    /// logged.
    public struct Limits: Hashable, Sendable {
        /// The longest request, in bytes.
        public var messageBytes = 4 * 1024 * 1024
        /// Streams on one connection.
        public var streamsPerConnection = 10_000
        /// Streams in all.
        public var streams = 25_000
        /// Streams of clients with the same names in their certificates, or at the same IP address (IPv6: in the same /64) if they show none.
        public var streamsPerIdentity = 15_000
        /// Streams that wait to be opened, on each of the server's threads.
        public var waitingStreams = 10_000
        /// Streams that are opened in a second; more wait.
        public var streamsPerSecond = 5_000
        /// Requests that are read from one stream in a second; more wait.
        public var requestsPerSecond = 1_000
        /// Bytes of requests that are read from one stream in a second; more wait.
        public var requestBytesPerSecond = 8 << 20
        /// Resource names that one stream may subscribe to.
        public var namesPerStream = 50_000
        /// The longest resource name, in bytes.
        public var nameBytes = 4_096
        /// Memory that the names of one stream may take, in bytes.
        public var bytesPerStream = 16 << 20
        /// Of all streams of one connection.
        public var bytesPerClient = 16 << 20
        /// Of all clients with the same names in their certificates, or at the same IP address (IPv6: in the same /64) if they show none.
        public var bytesPerIdentity = 384 << 20
        /// Of all clients.
        public var bytes = 512 << 20

        /// Open connections.
        public var connections = 10_000
        /// Open connections from one address: an IPv4 address, or the first 64 bits of an IPv6 address.
        public var connectionsPerAddress = 2_000
        /// New connections from one address in a second, after a burst of `connectionsPerAddress`.
        public var newConnectionsPerSecond = 100
        /// How long a connection may take to be set up, TLS and HTTP/2.
        public var handshake = Duration.seconds(10)
        /// Streams that all connections from one address open in a second, after a burst of twice `streamsPerConnection`.
        public var addressStreamsPerSecond = 2_000
        /// Streams that a connection opens in a second, after a burst of `streamsPerConnection`.
        public var newStreamsPerSecond = 1_000
        /// Resets of young streams in a second, of one connection; as all below, after a burst of four times as many.
        public var resetsPerSecond = 250
        /// PING frames.
        public var pingsPerSecond = 200
        /// SETTINGS frames.
        public var settingsPerSecond = 20
        /// PRIORITY frames.
        public var prioritiesPerSecond = 100
        /// Frames, except DATA frames of more than 1,024 bytes.
        public var framesPerSecond = 100_000
        /// Bytes of header blocks.
        public var headerBytesPerSecond = 1 << 20
        /// Bytes of requests that have come in part, of one connection.
        public var partialBytes = 16 << 20
        /// The same of all connections from one address.
        public var addressPartialBytes = 64 << 20
        /// The same of all connections.
        public var allPartialBytes = 256 << 20
        /// The longest header block, in bytes as sent.
        public var headerBlockBytes = 32_768
        /// CONTINUATION frames of one header block.
        public var continuations = 8

        /// The defaults.
        public init() {}
    }
}

extension Configuration.Limits {
    /// The fields that are whole numbers.
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
        // A smaller one would end the connections of clients that send what is allowed.
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
