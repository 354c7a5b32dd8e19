import Model
import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// `ballast trim`: suggests multipliers from the utilisation that pods report.
struct TrimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trim",
        abstract: "Suggests multipliers that even out the utilisation of pods; --apply makes them, with an end.")

    @Argument(help: "The service.") var service: String
    @Flag(help: "Make an override for each suggestion.") var apply = false
    @Option(name: .customLong("for"), help: ArgumentHelp("How long the overrides last.", valueName: "time"))
    var lasting = "1h"
    @Flag(help: "Don't ask; needed without a terminal.") var yes = false
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        var suggested: TrimPage?
        try await reportingFailures {
            let page = try await admin.client.get(TrimPage.self, .trim, name: service)
            guard admin.output.isTable else {
                try admin.output.print(page, names: page.suggestions.map(\.cluster))
                if apply { suggested = page }
                return
            }
            print("\(service): \(page.says)")
            if let metric = page.metric, let mean = page.mean {
                print("\(metric) is \(decimal(mean * 100)) % on average")
            }
            guard !page.suggestions.isEmpty else { return }
            var rows = [["CLUSTER", "UTILIZATION", "MULTIPLIER"]]
            rows += page.suggestions.map { [$0.cluster, "\(decimal($0.utilization * 100)) %", "x\($0.by)"] }
            printTable(rows)
            suggested = page
        }
        guard let page = suggested else { return }
        for suggestion in page.suggestions {
            var words = ["weights", "set", service, "\(suggestion.cluster)=x\(suggestion.by)", "--for", lasting]
            words += [
                "--reason",
                "trim: \(page.metric ?? "utilisation") \(decimal(suggestion.utilization * 100)) %, mean \(decimal((page.mean ?? 0) * 100)) %",
            ]
            words += apply ? (yes ? ["--yes"] : []) : ["--dry-run"]
            if !admin.output.isTable { words += ["-o", admin.output.rawValue] }
            if let address = admin.admin { words += ["--admin", address] }
            if let token = admin.tokenFile { words += ["--token-file", token] }
            guard var command = try Ballast.parseAsRoot(words) as? any AsyncParsableCommand else { continue }
            try await command.run()
        }
    }
}
