import Model
import AdminAPI
import ArgumentParser
import Foundation

/// `ballast diff`: what a live Envoy has, against what Ballast serves to it.
struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares a live Envoy's endpoints and requests with what Ballast serves; ends with 1 if they differ."
    )

    @Argument(help: "The Envoy's node ID.") var node: String
    @Option(help: "The address of the Envoy's admin interface.") var envoy = "http://127.0.0.1:9901"
    @Option(help: "For how many seconds requests are counted; 0 for not at all.") var seconds = 10.0
    @OptionGroup var admin: AdminOptions

    /// A row, as JSON prints it.
    private struct Row: Encodable {
        var cluster: String
        var endpoint: String
        var weight: Int?
        var health: String
        var requests: Int
        var observed: Double?
        var intended: Double?
        var difference: String?
    }

    func run() async throws {
        var differs = false
        try await reportingFailures {
            let client = try admin.client
            let live = EnvoyAdminClient(envoy)
            let page = try await client.get(ClientsPage.self, .clients, query: [("node", node)])
            guard let known = page.clients.first(where: { $0.view != nil }) else {
                throw CommandFailure("Ballast has no client of the name \(node): ballast clients lists them", .failed)
            }
            let before = try await live.hosts()
            if seconds > 0 { try await Task.sleep(for: .seconds(seconds)) }
            let after = try await live.hosts()
            let services = try await client.services(view: known.view, audience: known.audience).services
            var rows: [Row] = []
            for service in services {
                for hosts in after where service.resources.contains(where: { $0.name == hosts.resource }) {
                    rows += self.rows(service, hosts, before.first { $0.cluster == hosts.cluster })
                }
            }
            differs = rows.contains { $0.difference != nil }
            guard admin.output.isTable else { return try admin.output.print(rows, names: rows.map(\.endpoint)) }
            var table = [["CLUSTER", "ENDPOINT", "WEIGHT", "HEALTH", "LAST \(decimal(seconds)) s", "", "INTENDED", ""]]
            for row in rows {
                table.append([
                    row.cluster, row.endpoint, row.weight.map { "\($0)" } ?? "-", row.health, "\(row.requests)",
                    row.observed.map { "\(decimal($0 * 100)) %" } ?? "-",
                    row.intended.map { "\(decimal($0 * 100)) %" } ?? "-", row.difference.map { "<- \($0)" } ?? "",
                ])
            }
            printTable(table)
            let count = rows.count { $0.difference != nil }
            print(count == 1 ? "1 difference." : "\(count) differences.")
        }
        if differs { throw ExitCode(1) }
    }

    private func rows(_ service: ServicePage, _ hosts: EnvoyHosts, _ before: EnvoyHosts?) -> [Row] {
        let last = Dictionary(
            (before?.hosts ?? []).map { ($0.address, $0.attempts) }, uniquingKeysWith: { first, _ in first })
        let counts = Dictionary(
            hosts.hosts.map { ($0.address, max(0, $0.attempts - (last[$0.address] ?? 0))) }, uniquingKeysWith: +)
        let total = counts.values.reduce(0, +)
        let weights = service.endpoints.filter { $0.health == "healthy" && $0.priority == 0 }
        let sum = weights.reduce(0) { $0 + Double($1.weight) }
        return EndpointDifference.all(service.endpoints, hosts.hosts).map { difference in
            let count = counts[difference.address] ?? 0
            let weight = weights.first { $0.address == difference.address }.map { Double($0.weight) } ?? 0
            return Row(
                cluster: hosts.cluster, endpoint: difference.address, weight: difference.host?.weight,
                health: difference.host?.state ?? "-", requests: count,
                observed: total > 0 ? Double(count) / Double(total) : nil, intended: sum > 0 ? weight / sum : nil,
                difference: difference.words)
        }
    }
}
