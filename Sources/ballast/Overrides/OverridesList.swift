import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// `ballast overrides`: lists overrides.
struct OverridesList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "overrides", abstract: "Lists the overrides that are in force, and with --all the ended ones.")

    @Flag(help: "With the ended ones.")
    var all = false

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            var page = try await admin.client.get(OverridesPage.self, .overrides)
            if !all { page.overrides.removeAll { $0.phase == .ended } }
            if admin.output == .json { return try printJSON(page) }
            var rows = [["ID", "SERVICE", "WHAT", "PHASE", "LEVEL", "END", "BY", "REASON"]]
            for entry in page.overrides {
                let spec = entry.override.spec
                rows.append([
                    entry.override.id, spec.service, spec.summary, entry.phase.rawValue,
                    "\(decimal(entry.level * 100)) %", entry.end?.ISO8601Format() ?? "permanent",
                    entry.override.createdBy, spec.reason,
                ])
            }
            printTable(rows)
        }
    }
}
