/// Percentiles of a set of times, in milliseconds.
public struct Percentiles: Codable, Hashable, Sendable {
    /// The number of times.
    public var count: Int
    /// The median.
    public var p50: Double
    /// The 99th percentile.
    public var p99: Double
    /// The maximum.
    public var max: Double

    /// Nil if there are no times.
    public init?(_ times: [Duration]) {
        let sorted = times.sorted()
        guard let last = sorted.last else { return nil }
        let at = { (part: Double) in (sorted[Int(Double(sorted.count - 1) * part)] / .milliseconds(1)).rounded(to: 2) }
        count = sorted.count
        p50 = at(0.5)
        p99 = at(0.99)
        max = (last / .milliseconds(1)).rounded(to: 2)
    }
}

/// The results of a load.
public struct LoadReport: Codable, Hashable, Sendable {
    /// The start, until every stream had received all of its names.
    public struct Sync: Codable, Hashable, Sendable {
        /// Counted from the first connection.
        public var seconds: Double
        /// The number of streams that received everything.
        public var streams: Int
        /// Bytes of messages, without HTTP/2.
        public var bytes: Int
        /// The number of resources in them.
        public var resources: Int
        /// The server's CPU time.
        public var serverCPUSeconds: Double?
    }

    /// How changes were received.
    public struct Changes: Codable, Hashable, Sendable {
        /// The number of changes made.
        public var count: Int
        /// The number of (stream, change) pairs that arrived; one response may have several changes.
        public var receipts: Int
        /// The number of pairs that did not arrive.
        public var missing: Int
        /// From change to receipt, in milliseconds.
        public var latency: Percentiles?
        /// From change to the last receipt, in milliseconds; only if changes are made one after the other.
        public var last: Percentiles?
        /// The number of responses.
        public var responses: Int
        /// The mean length of a response in bytes.
        public var bytesPerResponse: Double
        /// Resources per second while changes were made.
        public var resourcesPerSecond: Double
        /// Bytes per second while changes were made.
        public var bytesPerSecond: Double
        /// The server's CPU time per response, in microseconds.
        public var serverCPUMicroseconds: Double?
    }

    /// The memory of the server's process, in MB of 1,048,576 bytes.
    public struct Memory: Codable, Hashable, Sendable {
        /// Before any client connected.
        public var idle: Double
        /// With every stream in sync.
        public var synced: Double
        /// The private part of `synced`.
        public var syncedPrivate: Double
        /// The peak until the end.
        public var peak: Double
    }

    /// The number of clients.
    public var streams: Int
    /// The number of names that each client subscribes to.
    public var namesPerStream: Int
    /// `sotw` or `delta`.
    public var variant: String
    /// Whether streams used ADS.
    public var isAggregated: Bool
    /// Whether clients used LEDS.
    public var usesLEDS: Bool
    /// How the streams got in sync.
    public var sync: Sync
    /// Nil if no changes were made.
    public var changes: Changes?
    /// Nil if the server's process isn't known.
    public var serverMemory: Memory?
    /// The number of streams that were lost and opened again.
    public var losses: Int
    /// All bytes received.
    public var bytes: Int

    /// A readable form.
    public var text: String {
        var lines = [
            "\(sync.streams) of \(streams) streams in sync after \(sync.seconds) s: \(sync.resources) resources, \(sync.bytes) bytes"
        ]
        if let changes {
            lines.append(
                """
                \(changes.count) changes: \(changes.receipts) receipts, \(changes.missing) missing; \
                \(changes.responses) responses of \(changes.bytesPerResponse) bytes; \
                \(changes.resourcesPerSecond) resources and \(changes.bytesPerSecond) bytes a second
                """)
            if let latency = changes.latency { lines.append("change to receipt: \(latency.text)") }
            if let last = changes.last { lines.append("change to last receipt: \(last.text)") }
            if let cpu = changes.serverCPUMicroseconds { lines.append("server CPU: \(cpu) us for each response") }
        }
        if let memory = serverMemory {
            lines.append(
                "server memory: \(memory.idle) MB idle, \(memory.synced) MB in sync (\(memory.syncedPrivate) its own), \(memory.peak) MB peak"
            )
        }
        if losses > 0 { lines.append("\(losses) streams lost and opened again") }
        return lines.joined(separator: "\n")
    }
}

extension Percentiles {
    /// A readable form.
    public var text: String { "p50 \(p50) ms, p99 \(p99) ms, max \(max) ms" }
}

extension Double {
    /// Rounded to a number of decimal places.
    func rounded(to places: Int) -> Double {
        let factor = (0..<places).reduce(1.0) { factor, _ in factor * 10 }
        return (self * factor).rounded() / factor
    }
}
