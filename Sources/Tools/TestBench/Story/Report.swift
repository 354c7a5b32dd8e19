import Foundation

/// The results of the bench, as in `report.json`.
public struct Report: Codable, Sendable {
    /// The results of one scene.
    public struct Scene: Codable, Sendable {
        /// The scene's title.
        public var name: String
        /// The scene's letter.
        public var id: String
        /// How the remote cluster is reached.
        public var reach: String
        /// The protocol between the client and the pods.
        public var `protocol`: String
        /// The client's worker threads.
        public var workers: Int
        /// The number of requests that `measured` covers.
        ///
        /// Includes failed ones, unless the scene is measured in windows.
        public var requests: Int
        /// Requests with a status other than 200, or without a response.
        public var failed: Int
        /// The number of all requests, if the load also ran outside the measured windows.
        public var failedOf: Int?
        /// The lines of the client Envoy's access log for the first failed requests.
        public var failures: [String] = []
        /// Connections that the client has opened to endpoints since it started.
        public var connections: Int
        /// TLS handshakes that it has completed with them.
        public var handshakes: Int
        /// The number of requests that each pod would get if all pods of both clusters were equal.
        public var ideal: [String: Double]
        /// The number of requests that each pod answered.
        public var measured: [String: Int]
        /// The median duration of a request, in milliseconds.
        public var p50: Double
        /// The 99th percentile, in milliseconds.
        public var p99: Double
        /// CPU time of the client's Envoy per 1,000 requests, in milliseconds.
        public var cpuPerThousand: Double
        /// The number of keys by which requests were hashed.
        public var keys: Int?
        /// The number of keys that were answered by more than one pod.
        public var movedKeys: Int?

        /// The largest deviation of a pod from its ideal, as a fraction of the ideal.
        public var deviation: Double {
            ideal.filter { $0.value > 0 }.map { pod, ideal in abs(Double(measured[pod] ?? 0) - ideal) / ideal }.max()
                ?? 0
        }
    }

    /// A set of durations, in milliseconds.
    public struct Latency: Codable, Sendable {
        /// The number of durations.
        public var changes: Int
        /// The median.
        public var median: Double
        /// The 99th percentile.
        public var p99: Double
        /// The maximum.
        public var max: Double

        init(_ durations: [Duration]) {
            let sorted = durations.map { $0 / .milliseconds(1) }.sorted()
            // Nearest rank.
            let rank = { (part: Double) in sorted[Int((part * Double(sorted.count)).rounded(.up)) - 1] }
            changes = sorted.count
            median = rank(0.5)
            p99 = rank(0.99)
            max = rank(1)
        }

        /// A readable form.
        public var description: String {
            let figures = [median, p99, max].map { String(format: "%.1f ms", $0) }
            return "\(changes) times: median \(figures[0]), p99 \(figures[1]), longest \(figures[2])"
        }
    }

    /// The results with many pods behind one gateway.
    public struct ManyPods: Codable, Sendable {
        /// The number of remote pods.
        public var pods: Int
        /// The number of requests sent.
        public var requests: Int
        /// Requests with a status other than 200, or without a response.
        public var failed: Int
        /// The fewest requests of one pod.
        public var fewest: Int
        /// The most requests of one pod.
        public var most: Int
        /// The number of requests that each pod should get.
        public var ideal: Double
        /// Connections that the client opened.
        public var connections: Int
        /// The number of the gateway's Envoy clusters, before and after.
        public var gatewayClusters: [Int]
        /// The gateway's allocated memory in bytes, before and after.
        public var gatewayBytes: [Int]

        /// A readable form.
        public var description: String {
            """
            \(pods) remote pods behind one gateway, \(requests) requests: \(fewest) to \(most) on each of \(pods + 2) pods \
            (ideal \(Int(ideal))), \(failed) failed, \(connections) connections; the gateway went from \
            \(gatewayClusters[0]) to \(gatewayClusters[1]) clusters and from \(gatewayBytes[0] / 1_000_000) to \
            \(gatewayBytes[1] / 1_000_000) MB.
            """
        }
    }

    /// In the order of the story.
    public var scenes: [Scene] = []
    /// From the rename of an endpoints file until the client's Envoy has applied it.
    public var changeToApplied: Latency?
    /// From the rename of an endpoints file to a new remote pod's first request.
    public var changeToFirstRequest: Latency?
    /// The results with many pods behind one gateway.
    public var manyPods: ManyPods?

    /// Creates an empty report.
    public init() {}

    /// Writes the report as JSON.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// A readable table.
    public var table: String {
        let pods = Set(scenes.flatMap(\.measured.keys)).sorted()
        var rows = [
            ["", "scene", "upstream", "workers"] + pods + [
                "failed", "conns", "TLS", "p50 ms", "p99 ms", "CPU ms/1000", "keys moved",
            ]
        ]
        for scene in scenes {
            let cells = pods.map { pod -> String in
                guard scene.measured[pod] != nil || scene.ideal[pod] != nil else { return "-" }
                return "\(scene.measured[pod] ?? 0) (\(Int((scene.ideal[pod] ?? 0).rounded())))"
            }
            rows.append(
                [scene.id, scene.name, scene.protocol, "\(scene.workers)"] + cells + [
                    scene.failedOf.map { "\(scene.failed) of \($0)" } ?? "\(scene.failed)", "\(scene.connections)",
                    "\(scene.handshakes)", String(format: "%.2f", scene.p50), String(format: "%.2f", scene.p99),
                    String(format: "%.0f", scene.cpuPerThousand),
                    scene.keys.map { "\(scene.movedKeys ?? 0) of \($0)" } ?? "",
                ]
            )
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
