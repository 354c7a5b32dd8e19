import AdminAPI
import ArgumentParser

/// `ballast endpoints`: what is sent.
struct Endpoints: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the endpoints of a service as they are sent to clients.")

    @Argument(help: "The service.") var service: String
    @Option(help: "For clients of this mesh cluster; of the Ballast's own by default.") var view: String?
    @Option(help: "For this kind of client: plain, grpc, lanes (the default), older-lanes or gateway.") var audience:
        String?
    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await watching.repeating {
            let page = try await admin.client.get(
                ServiceDetailPage.self, .service, name: service, query: [("view", view), ("audience", audience)]
            ).service
            guard admin.output.isTable else {
                return try admin.output.print(page.endpoints, names: page.endpoints.map(\.address))
            }
            var rows = [["ENDPOINT", "SNI", "PROXY", "LOCALITY", "PRIORITY", "LOCALITY WEIGHT", "WEIGHT", "HEALTH"]]
            for endpoint in page.endpoints {
                let locality = [endpoint.region, endpoint.zone, endpoint.subZone].filter { !$0.isEmpty }
                rows.append([
                    endpoint.address, endpoint.hostname ?? "-", endpoint.proxy ?? "-", locality.joined(separator: "/"),
                    "\(endpoint.priority)", endpoint.localityWeight.map { "\($0)" } ?? "-", "\(endpoint.weight)",
                    endpoint.health,
                ])
            }
            printTable(rows)
        }
    }
}
