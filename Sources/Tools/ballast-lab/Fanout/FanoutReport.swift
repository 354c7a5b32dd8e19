import Foundation
import LoadClient

/// The results of `fanout`, as in `fanout.json`.
struct FanoutReport: Codable {
    struct Row: Codable {
        var server: String
        /// The number of endpoints of each service.
        var endpoints: Int
        /// The number of names of each stream.
        var names: Int
        /// The number of services, if it isn't `names`.
        var services: Int?
        /// The mean time from a source's report to the snapshot, in milliseconds.
        var sourceToSnapshot: Double?
        var load: LoadReport
    }

    var machine: String
    var pushes: [Row] = []
    var names: [Row] = []
    var changes: [Row] = []
    var scale: ScaleReport?

    /// Tables in Markdown.
    var text: String {
        var parts: [String] = []
        if !pushes.isEmpty { parts.append(pushTable) }
        if !names.isEmpty { parts.append(namesTable) }
        if !changes.isEmpty { parts.append(changesTable) }
        if let scale { parts.append(scale.text) }
        return parts.joined(separator: "\n\n")
    }

    /// The server that the others are compared with: the first one, unless it is Ballast.
    var floor: String? { pushes.first.map(\.server).flatMap { $0.hasPrefix("Ballast") ? nil : $0 } }

    /// The ratio of a value to the floor's value at the same size.
    func ratio(_ row: Row, _ value: (LoadReport) -> Double?) -> Double? {
        let floor = pushes.first { $0.server == self.floor && $0.endpoints == row.endpoints }
        guard row.server != floor?.server, let own = value(row.load), let other = floor.flatMap({ value($0.load) })
        else { return nil }
        return own / other
    }

    private var pushTable: String {
        let servers = pushes.map(\.server).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        var lines = [
            "| endpoints | " + servers.joined(separator: " | ") + " |",
            "|---" + String(repeating: "|---", count: servers.count) + "|",
        ]
        for endpoints in Set(pushes.map(\.endpoints)).sorted() {
            let cells = servers.map { server -> String in
                let row = pushes.first { $0.server == server && $0.endpoints == endpoints }
                return row.map { cell($0) } ?? "-"
            }
            lines.append("| \(grouped(endpoints)) | " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }

    private func cell(_ row: Row) -> String {
        guard let changes = row.load.changes else { return "-" }
        let cpu = changes.serverCPUMicroseconds.map { "\(Int($0.rounded())) us" } ?? "-"
        let times = ratio(row) { $0.changes?.serverCPUMicroseconds }.map { " (\(decimal($0)))" } ?? ""
        let last = changes.last.map { ", \(Int($0.p50.rounded())) ms" } ?? ""
        let memory = row.load.serverMemory.map { ", \(Int($0.peak.rounded())) MB" } ?? ""
        let bytes = ", \(grouped(Int(changes.bytesPerResponse.rounded()))) B"
        return cpu + times + last + memory + bytes + (changes.missing > 0 ? ", \(changes.missing) missing" : "")
    }

    private var namesTable: String {
        var lines = [
            "| names of each stream | server | CPU for a push | change to last client | memory at its peak | for each client |",
            "|---|---|---|---|---|---|",
        ]
        for row in names {
            let memory = row.load.serverMemory
            let each = memory.map { ($0.synced - $0.idle) * 1024 / Double(row.load.streams) }
            lines.append(
                "| \(grouped(row.names)) | \(row.server) | \(row.load.changes?.serverCPUMicroseconds ?? 0) us | \(row.load.changes?.last?.p50 ?? 0) ms | \(memory?.peak ?? 0) MB | \(Int((each ?? 0).rounded())) kB |"
            )
        }
        return lines.joined(separator: "\n")
    }

    private var changesTable: String {
        var lines = [
            "| services of 100 pods | CPU for a change | of that, from source to snapshot | change to receipt | memory |",
            "|---|---|---|---|---|",
        ]
        for row in changes {
            let changes = row.load.changes
            lines.append(
                "| \(grouped(row.services ?? 0)) | \(decimal((changes?.serverCPUMicroseconds ?? 0) / 1_000)) ms | \(decimal(row.sourceToSnapshot ?? 0)) ms | p50 \(changes?.latency?.p50 ?? 0) ms, p99 \(changes?.latency?.p99 ?? 0) ms | \(row.load.serverMemory?.synced ?? 0) MB |"
            )
        }
        return lines.joined(separator: "\n")
    }
}

/// With two decimal places.
func decimal(_ number: Double) -> String { String(format: "%.2f", number) }

/// With commas between thousands.
func grouped(_ number: Int) -> String {
    let digits = String(number)
    return digits.enumerated().reduce(into: "") { text, digit in
        if digit.offset > 0, (digits.count - digit.offset) % 3 == 0 { text += "," }
        text.append(digit.element)
    }
}
