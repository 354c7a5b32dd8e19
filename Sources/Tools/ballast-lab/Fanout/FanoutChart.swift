import LoadClient

/// A bar chart of the CPU time for a push, by server and size.
struct FanoutChart {
    private let report: FanoutReport

    init(_ report: FanoutReport) { self.report = report }

    private enum Layout {
        static let name = 150
        static let bar = 380
        static let row = 20
        static let width = 760
    }

    /// An SVG that follows the reader's preference for light or dark pages.
    var svg: String {
        let sizes = Set(report.pushes.map(\.endpoints)).sorted()
        var parts: [String] = []
        var y = 44
        for size in sizes {
            let rows = report.pushes.filter { $0.endpoints == size }
            let most = rows.compactMap { $0.load.changes?.serverCPUMicroseconds }.max() ?? 1
            parts.append(text(12, y, "\(grouped(size)) endpoints"))
            y += 8
            for row in rows {
                guard let changes = row.load.changes, let cpu = changes.serverCPUMicroseconds else { continue }
                let length = max(Int(cpu / most * Double(Layout.bar)), 1)
                let style = row.server.hasPrefix("Ballast") ? "good" : "other"
                parts.append(text(24, y + 14, row.server, "soft"))
                parts.append(
                    "<rect class=\"\(style)\" x=\"\(Layout.name)\" y=\"\(y + 3)\" width=\"\(length)\" height=\"14\"/>")
                let facts =
                    "\(Int(cpu.rounded())) us, last client after \(Int((changes.last?.p50 ?? 0).rounded())) ms, \(grouped(Int(changes.bytesPerResponse.rounded()))) bytes"
                parts.append(text(Layout.name + length + 8, y + 14, facts, "soft"))
                y += Layout.row
            }
            y += 26
        }
        let title =
            "Server CPU for a push of one changed pod, \(grouped(report.pushes.first?.load.streams ?? 0)) clients; each size on a scale of its own"
        let head = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Layout.width + 120) \(y)" width="\(Layout.width + 120)" \
            role="img" aria-label="\(title)">
            <style>
            text { font: 12px system-ui, sans-serif; fill: #24292f; }
            .page { fill: #ffffff; } .soft { fill: #57606a; } .good { fill: #0969da; } .other { fill: #8c959f; }
            @media (prefers-color-scheme: dark) {
              text { fill: #e6edf3; }
              .page { fill: #0d1117; } .soft { fill: #9198a1; } .good { fill: #4493f8; } .other { fill: #6e7681; }
            }
            </style>
            <rect class="page" width="\(Layout.width + 120)" height="\(y)"/>
            """
        return ([head, text(12, 20, title)] + parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func text(_ x: Int, _ y: Int, _ content: String, _ style: String = "") -> String {
        "<text x=\"\(x)\" y=\"\(y)\"\(style.isEmpty ? "" : " class=\"\(style)\"")>\(content)</text>"
    }
}
