import Foundation

/// The results of several attacks.
public struct AttackReport: Codable, Sendable {
    /// Where the servers ran.
    public var place: String
    /// In the order in which the attacks ran.
    public var results: [AttackResult] = []

    /// Creates an empty report.
    public init(place: String) { self.place = place }

    /// A Markdown table.
    public var table: String {
        var lines = ["| attack | bar | | seen |", "|---|---|---|---|"]
        for result in results {
            lines.append(
                "| `\(result.name)`: \(result.summary) | \(result.bar) | \(result.isHeld ? "held" : "**broken**") | \(result.text) |"
                    .replacing("\n", with: " "))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Writes `PATH.json` and `PATH.md`.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: "\(path).json"))
        try "Servers ran \(place).\n\n\(table)".write(toFile: "\(path).md", atomically: true, encoding: .utf8)
    }
}
