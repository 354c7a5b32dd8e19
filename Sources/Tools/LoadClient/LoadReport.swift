/// Times of many events, in milliseconds.
public struct Percentiles: Codable, Hashable, Sendable {
    /// How many.
    public var count: Int
    /// Half of them took no longer.
    public var p50: Double
    /// 99 of 100 took no longer.
    public var p99: Double
    /// None took longer.
    public var max: Double

    /// Nil of nothing.
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

/// What a load found.
public struct LoadReport: Codable, Hashable, Sendable {
    /// Until every stream had each name once.
    public struct Sync: Codable, Hashable, Sendable {
        /// From the first connection on.
        public var seconds: Double
        /// Streams that had everything.
        public var streams: Int
        /// Messages, before HTTP/2.
        public var bytes: Int
        /// Resources in them.
        public var resources: Int
        /// The server's CPU time.
        public var serverCPUSeconds: Double?
    }

    /// What became of changes.
    public struct Changes: Codable, Hashable, Sendable {
        /// Changes made.
        public var count: Int
        /// (stream, change) pairs that arrived; several changes may come in one response.
        public var receipts: Int
        /// Those that didn't.
        public var missing: Int
        /// From change to receipt, in milliseconds.
        public var latency: Percentiles?
        /// From change to the last receipt, in milliseconds; with changes one after the other only.
        public var last: Percentiles?
        /// Responses.
        public var responses: Int
        /// Bytes of a response, in the middle.
        public var bytesPerResponse: Double
        /// While changes were made.
        public var resourcesPerSecond: Double
        /// Bytes, while changes were made.
        public var bytesPerSecond: Double
        /// The server's CPU time for a response, in microseconds.
        public var serverCPUMicroseconds: Double?
    }

    /// Of the server's process, in MB of 1,048,576 bytes.
    public struct Memory: Codable, Hashable, Sendable {
        /// Before anyone connected.
        public var idle: Double
        /// With every stream in sync.
        public var synced: Double
        /// Of that, the process's own.
        public var syncedPrivate: Double
        /// The most until the end.
        public var peak: Double
    }

    /// Clients.
    public var streams: Int
    /// Names of each.
    public var namesPerStream: Int
    /// `sotw` or `delta`.
    public var variant: String
    /// Whether over ADS.
    public var isAggregated: Bool
    /// Whether with LEDS.
    public var usesLEDS: Bool
    /// How they got in sync.
    public var sync: Sync
    /// Nil where none were made.
    public var changes: Changes?
    /// Nil where the server's process isn't known.
    public var serverMemory: Memory?
    /// Streams that were lost and opened again.
    public var losses: Int
    /// All that was received, from the first to the last.
    public var bytes: Int

    /// For people.
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
    /// For people.
    public var text: String { "p50 \(p50) ms, p99 \(p99) ms, max \(max) ms" }
}

extension Double {
    /// Rounded to so many places.
    func rounded(to places: Int) -> Double {
        let factor = (0..<places).reduce(1.0) { factor, _ in factor * 10 }
        return (self * factor).rounded() / factor
    }
}
