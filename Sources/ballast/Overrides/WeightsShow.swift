import Model
import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// `ballast weights show`: the intended and observed shares of a service, and its overrides.
struct WeightsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows the intended and the observed share of each mesh cluster, and the overrides.")

    @Argument(help: "The service.")
    var service: String

    @Option(help: "For clients of this mesh cluster; of the Ballast's own by default.")
    var view: String?

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await watching.repeating {
            let client = try admin.client
            let page = try await client.get(ServiceDetailPage.self, .service, name: service, query: [("view", view)])
            let overrides = try await client.get(
                OverridesPage.self, .overrides, query: [("service", service)]
            ).overrides.filter { $0.phase != .ended || $0.end.map { Date() < $0 + 60 } == true }
            guard admin.output.isTable else { return try admin.output.print(page.service, names: [service]) }
            printTable(table(page.service))
            for entry in overrides { print(entry.line) }
        }
    }

    private func table(_ page: ServicePage) -> [[String]] {
        [["CLUSTER", "INTENDED", "OBSERVED", "PODS", "WHY"]]
            + page.intended.map { share in
                [
                    share.cluster, "\(decimal(share.share * 100)) %",
                    share.observed?.share.map { "\(decimal($0 * 100)) %" } ?? "-", "\(share.pods.count)", share.reason,
                ]
            }
    }
}

extension OverridePage {
    /// The override in a line.
    var line: String {
        let views = override.spec.views.map { " for clients of \($0.joined(separator: ", "))" } ?? ""
        if phase == .ended, let last = override.lastChange {
            return "\(override.id)  \(override.spec.summary)  \(last)"
        }
        let end = end.map { "until \($0.ISO8601Format())" } ?? "permanent"
        return """
            \(override.id)  \(override.spec.summary)\(views)  \(phase.rawValue) at \(decimal(level * 100)) %, \(end) \
            (\(override.createdBy): \(override.spec.reason))
            """
    }
}
