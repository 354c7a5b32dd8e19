import Foundation

/// What a run of the bench found; `report.json`.
public struct Report: Codable, Sendable {
    /// One situation, with real requests.
    public struct Scene: Codable, Sendable {
        /// What is shown.
        public var name: String
        /// How the remote cluster is reached.
        public var reach: String
        /// What the client speaks to the pods.
        public var `protocol`: String
        /// Requests sent.
        public var requests: Int
        /// Requests that came back with anything but 200.
        public var failed: Int
        /// Connections that the client has opened to endpoints since it started.
        public var connections: Int
        /// What each pod would get if all pods of both clusters were equal.
        public var ideal: [String: Double]
        /// What each pod got, by its own count.
        public var measured: [String: Int]
    }

    /// How long a change of an endpoints file takes until Envoy has applied it, in milliseconds.
    public struct Latency: Codable, Sendable {
        /// How many changes.
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
    }

    /// In the order of the story.
    public var scenes: [Scene] = []
    /// From the rename of the file to the client's Envoy.
    public var changeToApplied: Latency?

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
        var rows = [["scene", "upstream"] + pods + ["failed", "connections"]]
        for scene in scenes {
            let cells = pods.map { pod in
                scene.measured[pod].map { "\($0) (\(Int((scene.ideal[pod] ?? 0).rounded())))" } ?? "-"
            }
            rows.append([scene.name, scene.protocol] + cells + ["\(scene.failed)", "\(scene.connections)"])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
