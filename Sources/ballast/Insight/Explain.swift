import Model
import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// `ballast explain`: why this share.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explains the share of each mesh cluster, or of one, or of a pod, layer by layer.")

    @Argument(help: "The service.") var service: String
    @Argument(help: "A mesh cluster, or CLUSTER/POD; all mesh clusters by default.") var part: String?
    @Option(help: "For clients of this mesh cluster; of the Ballast's own by default.") var view: String?
    @Option(help: ArgumentHelp("As it was then, such as 2026-11-25T14:00:00Z or 10m ago.", valueName: "time")) var at:
        String?
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            let names = part?.split(separator: "/", maxSplits: 1).map(String.init)
            let time = try at.map(pastTime)
            let page = try await admin.client.get(
                ExplainPage.self, .explain, name: service,
                query: [
                    ("view", view), ("cluster", names?[0]), ("pod", names?.count == 2 ? names?[1] : nil),
                    ("at", time?.ISO8601Format()),
                ])
            guard admin.output.isTable else { return try admin.output.print(page, names: page.clusters.map(\.cluster)) }
            page.show()
        }
    }
}

/// A time as a person says it: ISO 8601, or `10m ago`.
func pastTime(_ text: String) throws -> Date {
    if let date = ISOTime.parse(text) { return date }
    let span = text.hasSuffix("ago") ? text.dropLast(3).trimmingCharacters(in: .whitespaces) : text
    guard let span = TimeSpan(span) else {
        throw ValidationError("\(text): should be a time such as 2026-11-25T14:00:00Z, or 10m ago")
    }
    return Date() - span.seconds
}

extension ExplainPage {
    fileprivate func show() {
        for part in clusters {
            let name = part.pod.map { "\(part.cluster)/\($0)" } ?? part.cluster
            var line = "\(name) gets \(decimal(part.share * 100)) % of \(service) for clients of \(view)"
            if let rps { line += ": \(decimal(rps * part.share)) of \(decimal(rps)) req/s" }
            if let observed = part.observed { line += "; it got \(decimal(observed * 100)) %" }
            if let since {
                line = "\(name) got \(decimal(part.share * 100)) % of \(service) since \(since.ISO8601Format())"
            }
            print(line + ".")
            let rows = part.layers.map { ["  \($0.layer) \($0.name)", $0.effect, $0.origin ?? ""] }
            printTable(rows)
        }
        if let causes { print("Caused by: \(causes.joined(separator: ", "))") }
        if let client { print("client: \(client)") }
        for entry in overrides { print(entry.line) }
    }
}
