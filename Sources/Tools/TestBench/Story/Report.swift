import Foundation

/// What a run of the bench found; `report.json`.
public struct Report: Codable, Sendable {
    /// One situation, with real requests.
    public struct Scene: Codable, Sendable {
        /// What is shown.
        public var name: String
        /// The scene's letter.
        public var id: String
        /// How the remote cluster is reached.
        public var reach: String
        /// What the client speaks to the pods.
        public var `protocol`: String
        /// The client's worker threads.
        public var workers: Int
        /// Requests that are counted in `measured`, and those that failed meanwhile.
        public var requests: Int
        /// Requests that came back with anything but 200.
        public var failed: Int
        /// Of how many, where requests went on between the ones that are counted.
        public var failedOf: Int?
        /// What the client's Envoy says about the first of them.
        public var failures: [String] = []
        /// Connections that the client has opened to endpoints since it started.
        public var connections: Int
        /// TLS handshakes that it completed with them.
        public var handshakes: Int
        /// What each pod would get if all pods of both clusters were equal.
        public var ideal: [String: Double]
        /// What each pod answered.
        public var measured: [String: Int]
        /// Half of the requests took no longer, in milliseconds.
        public var p50: Double
        /// 99 of 100 took no longer, in milliseconds.
        public var p99: Double
        /// CPU time of the client's Envoy for 1,000 requests, in milliseconds.
        public var cpuPerThousand: Double
        /// How many keys requests were hashed by.
        public var keys: Int?
        /// How many of them were answered by more than one pod.
        public var movedKeys: Int?

        /// The largest deviation of a pod from its ideal, as a part of that.
        public var deviation: Double {
            ideal.filter { $0.value > 0 }.map { pod, ideal in abs(Double(measured[pod] ?? 0) - ideal) / ideal }.max()
                ?? 0
        }
    }

    /// Durations, in milliseconds.
    public struct Latency: Codable, Sendable {
        /// How many.
        public var changes: Int
        /// Half of them took no longer.
        public var median: Double
        /// 99 of 100 took no longer.
        public var p99: Double
        /// The longest.
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

        /// For people.
        public var description: String {
            let figures = [median, p99, max].map { String(format: "%.1f ms", $0) }
            return "\(changes) times: median \(figures[0]), p99 \(figures[1]), longest \(figures[2])"
        }
    }

    /// Many pods behind one gateway.
    public struct ManyPods: Codable, Sendable {
        /// Remote pods.
        public var pods: Int
        /// Requests sent, and failed ones.
        public var requests: Int
        /// Requests that came back with anything but 200.
        public var failed: Int
        /// The fewest and the most requests of one pod, and what each should have had.
        public var fewest: Int
        /// The most requests of one pod.
        public var most: Int
        /// What each pod should have had.
        public var ideal: Double
        /// Connections that the client opened.
        public var connections: Int
        /// The gateway's Envoy clusters, before and after.
        public var gatewayClusters: [Int]
        /// The gateway's allocated memory in bytes, before and after.
        public var gatewayBytes: [Int]

        /// For people.
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
    /// From the rename of an endpoints file to the client's Envoy having applied it.
    public var changeToApplied: Latency?
    /// From the rename of an endpoints file to a new remote pod's first request.
    public var changeToFirstRequest: Latency?
    /// Many pods behind one gateway.
    public var manyPods: ManyPods?

    /// An empty report.
    public init() {}

    /// As JSON, for other programs.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// As a table, for people.
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
