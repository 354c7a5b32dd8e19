import Foundation

/// A chart of the report: each pod's measured share, compared with its ideal share.
public struct Chart {
    private let scenes: [Report.Scene]
    private let pods: [String]

    private enum Layout {
        static let row = 26
        static let title = 300
        static let cell = 84
        static let bar = 76
        static let top = 64
        /// The share that fills a bar.
        static let full = 0.5
    }

    /// Takes the scenes with the protocol and worker threads of the last scene.
    public init(_ report: Report) {
        let last = report.scenes.last
        scenes = report.scenes.filter { $0.protocol == last?.protocol && $0.workers == last?.workers }
        pods = Set(scenes.flatMap(\.measured.keys)).sorted()
    }

    /// An SVG that follows the reader's preference for light or dark pages.
    public var svg: String {
        let width = Layout.title + Layout.cell * pods.count + 300
        let height = Layout.top + Layout.row * scenes.count + 34
        let setting = scenes.first.map { "\($0.protocol), \($0.workers) worker threads" } ?? ""
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" width="\(width)" role="img" \
            aria-label="Measured and ideal shares of each pod, by scene">
            <style>
            text { font: 12px system-ui, sans-serif; fill: #24292f; }
            .page { fill: #ffffff; } .soft { fill: #57606a; } .track { fill: #eaeef2; } .good { fill: #0969da; } .off { fill: #bc4c00; }
            .ideal { stroke: #24292f; stroke-width: 2; }
            @media (prefers-color-scheme: dark) {
              text { fill: #e6edf3; }
              .page { fill: #0d1117; } .soft { fill: #9198a1; } .track { fill: #262c36; } .good { fill: #4493f8; } .off { fill: #f0883e; }
              .ideal { stroke: #e6edf3; }
            }
            </style>
            <rect class="page" width="\(width)" height="\(height)"/>
            """,
            text(12, 22, "Requests by pod: bars are measured, marks are ideal. \(setting)."),
        ]
        for (index, pod) in pods.enumerated() {
            parts.append(text(Layout.title + index * Layout.cell, 50, pod, "soft"))
        }
        let end = Layout.title + pods.count * Layout.cell
        parts.append(text(end + 6, 50, "failed", "soft"))
        parts.append(text(end + 56, 50, "connections", "soft"))
        for (index, scene) in scenes.enumerated() { parts += row(scene, at: Layout.top + index * Layout.row) }
        parts.append(
            text(
                12, height - 12,
                "Blue: within 10 % of the ideal. East has e1 and e2; w1 to w6 are behind west's gateway.", "soft"))
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func row(_ scene: Report.Scene, at top: Int) -> [String] {
        let baseline = top + 15
        var parts = [text(12, baseline, "\(scene.id)  \(scene.name)")]
        let total = Double(max(scene.measured.values.reduce(0, +), 1))
        let idealTotal = max(scene.ideal.values.reduce(0, +), 1)
        let length = { (share: Double) in Int((min(share, Layout.full) / Layout.full * Double(Layout.bar)).rounded()) }
        for (index, pod) in pods.enumerated() {
            guard scene.measured[pod] != nil else { continue }
            let left = Layout.title + index * Layout.cell
            let measured = Double(scene.measured[pod] ?? 0) / total
            let ideal = (scene.ideal[pod] ?? 0) / idealTotal
            let isGood = abs(measured - ideal) <= 0.1 * ideal
            parts.append("<rect class=\"track\" x=\"\(left)\" y=\"\(top + 4)\" width=\"\(Layout.bar)\" height=\"14\"/>")
            parts.append(
                "<rect class=\"\(isGood ? "good" : "off")\" x=\"\(left)\" y=\"\(top + 4)\" width=\"\(length(measured))\" height=\"14\"/>"
            )
            let mark = left + length(ideal)
            parts.append("<line class=\"ideal\" x1=\"\(mark)\" x2=\"\(mark)\" y1=\"\(top + 2)\" y2=\"\(top + 20)\"/>")
        }
        let end = Layout.title + pods.count * Layout.cell
        parts.append(text(end + 6, baseline, "\(scene.failed)"))
        parts.append(text(end + 56, baseline, "\(scene.connections)"))
        if let keys = scene.keys {
            parts.append(text(end + 140, baseline, "\(scene.movedKeys ?? 0) of \(keys) keys moved", "soft"))
        }
        return parts
    }

    private func text(_ x: Int, _ y: Int, _ content: String, _ style: String = "") -> String {
        let escaped = content.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        return "<text x=\"\(x)\" y=\"\(y)\"\(style.isEmpty ? "" : " class=\"\(style)\"")>\(escaped)</text>"
    }
}
