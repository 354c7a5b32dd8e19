import Model
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

    @Argument(help: "One override, with its transitions; all by default.")
    var id: String?

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            if let id { return try await show(id) }
            var page = try await admin.client.get(OverridesPage.self, .overrides)
            if !all { page.overrides.removeAll { $0.phase == .ended } }
            guard admin.output.isTable else {
                return try admin.output.print(page, names: page.overrides.map(\.override.id))
            }
            var rows = [["ID", "SERVICE", "WHAT", "PHASE", "LEVEL", "END", "BY", "REASON", "LAST CHANGE"]]
            for entry in page.overrides {
                let spec = entry.override.spec
                rows.append([
                    entry.override.id, spec.service, spec.summary, entry.phase.rawValue,
                    "\(decimal(entry.level * 100)) %", entry.end?.ISO8601Format() ?? "permanent",
                    entry.override.createdBy, spec.reason, entry.override.lastChange ?? "-",
                ])
            }
            printTable(rows)
            for entry in page.overrides { entry.showConditions(before: "\(entry.override.id) ") }
        }
    }

    private func show(_ id: String) async throws {
        let page = try await admin.client.get(OverridePage.self, .override, name: id)
        guard admin.output.isTable else { return try admin.output.print(page, names: [id]) }
        let override = page.override
        print(
            "\(id)  \(override.spec.service): \(override.spec.summary), \(page.phase.rawValue) at \(decimal(page.level * 100)) %"
        )
        page.showConditions()
        print("\(override.createdAt.ISO8601Format())  created by \(override.createdBy): \(override.spec.reason)")
        for transition in override.transitions.sorted(by: { ($0.at, $0.id) < ($1.at, $1.id) }) {
            print(
                "\(transition.at.ISO8601Format())  \(transition.type.rawValue) by \(transition.by)\(transition.reason.isEmpty ? "" : ": \(transition.reason)")"
            )
        }
    }
}

extension OverridePage {
    /// Prints a line for each condition.
    func showConditions(before prefix: String = "") {
        for condition in conditions { print("! \(prefix)\(condition.type.rawValue)  \(condition.says)") }
    }
}

extension Override {
    /// The latest transition in words; nil without any.
    var lastChange: String? {
        lastTransition.map {
            "\($0.type.rawValue) by \($0.by)\($0.reason.isEmpty ? "" : ": \($0.reason)")"
        }
    }
}
