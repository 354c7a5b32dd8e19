import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// `ballast history`: what happened.
struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists what happened: changes of shares with their causes, overrides, holds and problems.")

    @Argument(help: "Only of this service.") var service: String?
    @Option(help: ArgumentHelp("Not before this time, such as 2026-11-25T14:00:00Z or 2h.", valueName: "time"))
    var since: String?
    @Option(help: "The most entries.") var limit = 100
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            let since = try since.map(pastTime)
            var page = try await admin.client.get(
                HistoryPage.self, .history,
                query: [("service", service), ("since", since?.ISO8601Format()), ("limit", "\(min(limit, 1_000))")])
            while let next = page.continue, page.entries.count < limit {
                let more = try await admin.client.get(
                    HistoryPage.self, .history,
                    query: [
                        ("service", service), ("since", since?.ISO8601Format()), ("continue", next),
                        ("limit", "\(min(limit - page.entries.count, 1_000))"),
                    ])
                page.entries += more.entries
                page.continue = more.continue
            }
            guard admin.output.isTable else {
                return try admin.output.print(page, names: page.entries.map { "\($0.number)" })
            }
            var rows = [["TIME", "SERVICE", "KIND", "CAUSE", "WHAT"]]
            for entry in page.entries {
                rows.append([
                    entry.time.ISO8601Format(), entry.service ?? "-", entry.kind,
                    (entry.causes ?? []).joined(separator: ", "),
                    entry.says,
                ])
            }
            printTable(rows)
            if page.continue != nil { print("there is more: --limit") }
        }
    }
}
