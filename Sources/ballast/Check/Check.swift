import AdminAPI
import ArgumentParser

/// `ballast check`: looks for faults in Ballast, in a live Envoy and in a gateway.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks for faults in Ballast, in a live Envoy and in a gateway.",
        discussion: "Ends with 1 if something fails, and with 2 if something is not known.")

    @Option(help: "The address of an Envoy's admin interface; may be repeated.") var envoy: [String] = []
    @Option(help: "The address of a gateway's admin interface; may be repeated.") var gateway: [String] = []
    @Option(help: ArgumentHelp("Say what a code means, and what to do.", valueName: "code")) var explain: String?
    @OptionGroup var admin: AdminOptions

    /// A finding, as JSON prints it.
    private struct Row: Encodable {
        var place: String
        var state: CheckState
        var code: String
        var says: String
    }

    func run() async throws {
        if let explain {
            guard let code = CheckCode(rawValue: explain.uppercased()) else {
                throw ValidationError(
                    "there is no code \(explain); there are: \(CheckCode.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            return print("\(code.rawValue)  \(code.explanation)")
        }
        var findings: [Finding] = []
        try await reportingFailures {
            let client = try admin.client
            let page = try await client.get(ChecksPage.self, .checks)
            findings += page.checks.map { check in
                Finding(place: "server", state: check.state, code: check.code, says: check.says)
            }
            findings += await PublicationChecks(page: try await client.get(PublicationPage.self, .publication)).run()
            for address in envoy {
                var checks = EnvoyChecks(EnvoyAdminClient(address), server: client)
                try await checks.run()
                findings += checks.findings
            }
            for address in gateway {
                var checks = GatewayChecks(EnvoyAdminClient(address), server: client)
                try await checks.run()
                findings += checks.findings
            }
            let rows = findings.map { Row(place: $0.place, state: $0.state, code: $0.code.rawValue, says: $0.says) }
            guard admin.output.isTable else { return try admin.output.print(rows, names: rows.map(\.code)) }
            printTable(
                [["PLACE", "STATE", "CODE", "WHAT"]] + rows.map { [$0.place, $0.state.rawValue, $0.code, $0.says] })
        }
        if findings.contains(where: { $0.state == .fail }) { throw ExitCode(1) }
        if findings.contains(where: { $0.state == .unknown }) { throw ExitCode(2) }
    }
}
