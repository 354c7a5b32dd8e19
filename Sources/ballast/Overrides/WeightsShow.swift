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

    @Flag(name: .shortAndLong, help: "Print again every second what changed, until interrupted.")
    var watch = false

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            let client = try admin.client
            var last: [[String]] = []
            repeat {
                let services = try await client.get(ServicesPage.self, .services, query: [("view", view)])
                guard let page = services.services.first(where: { $0.name == service }) else {
                    throw CommandFailure("there is no service \(service)", .failed)
                }
                let overrides = try await client.get(OverridesPage.self, .overrides).overrides.filter {
                    $0.phase != .ended && [service, "*"].contains($0.override.spec.service)
                }
                if admin.output == .json {
                    try printJSON(page)
                } else {
                    let rows = table(page)
                    if rows != last {
                        if watch { print(Date().ISO8601Format()) }
                        printTable(rows)
                        for entry in overrides { print(line(entry)) }
                    }
                    last = rows
                }
                if watch { try await Task.sleep(for: .seconds(1)) }
            } while watch
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

    private func line(_ entry: OverridePage) -> String {
        let end = entry.end.map { "until \($0.ISO8601Format())" } ?? "permanent"
        return """
            \(entry.override.id)  \(entry.override.spec.summary)  \(entry.phase.rawValue) at \(decimal(entry.level * 100)) %, \
            \(end) (\(entry.override.createdBy): \(entry.override.spec.reason))
            """
    }
}
