import Model
import AdminAPI
import ArgumentParser
import Foundation

/// `ballast what-if`: any change, not made.
struct WhatIf: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "what-if",
        abstract: "Shows what a command would change, or a changed configuration, and changes nothing.",
        discussion: """
            An example: `ballast what-if weights set httpbin west=20%`, or `ballast what-if --config new.yaml`. The reason \
            and the end of the change may be left out.
            """)

    @Option(help: "The file of a changed configuration.")
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Compute as if this were down: CLUSTER, CLUSTER/POD, zone:CLUSTER/ZONE or gateway:CLUSTER/ADDRESS. May be repeated.",
            valueName: "loss"))
    var assume: [String] = []

    @Option(help: "Compute with so many requests per second.")
    var rps: Double?

    @Argument(parsing: .captureForPassthrough, help: "The command: weights set or drain, with its arguments.")
    var command: [String] = []

    func run() async throws {
        guard config == nil else { return try await plan() }
        if command.first == "--help" || command.first == "-h" { throw CleanExit.helpRequest(self) }
        var words = command
        // Options of this command may come first.
        var options: [String] = []
        while let word = words.first, ["--assume", "--rps", "--config"].contains(word), words.count > 1 {
            options += words.prefix(2)
            words.removeFirst(2)
        }
        if options.first == "--config" {
            var inner = try WhatIf.parse(["--config", options[1]] + words.filter { $0.hasPrefix("--admin") })
            inner.command = words
            return try await inner.plan()
        }
        guard words.starts(with: ["weights", "set"]) || words.first == "drain" else {
            throw ValidationError("say which change: weights set SERVICE …, drain …, or --config FILE")
        }
        words += options + assume.flatMap { ["--assume", $0] } + (rps.map { ["--rps", "\($0)"] } ?? [])
        let names = Set(words.map { $0.split(separator: "=").first.map(String.init) ?? $0 })
        if !names.contains("--for"), !names.contains("--permanent") { words.append("--permanent") }
        if !names.contains("--reason") { words += ["--reason", "what if"] }
        if !words.contains("--dry-run") { words.append("--dry-run") }
        guard var planned = try Ballast.parseAsRoot(words) as? any AsyncParsableCommand else { return }
        try await planned.run()
    }

    private func plan() async throws {
        let admin = try AdminOptions.parse(command)
        guard let config else { return }
        try await reportingFailures {
            guard let text = FileManager.default.contents(atPath: config) else {
                throw CommandFailure("\(config): can't be read", .failed)
            }
            let page = try await admin.client.post(
                ConfigurationPlanPage.self, .configurationPlans, text: text, contentType: "application/yaml")
            guard admin.output.isTable else { return try admin.output.print(page, names: page.services.map(\.service)) }
            page.show()
        }
    }
}

extension ConfigurationPlanPage {
    fileprivate func show() {
        var rows = [["SERVICE", "CHANGE", "CLUSTER", "NOW", "AFTER", "WHY"]]
        for service in services {
            for (index, cluster) in service.clusters.enumerated() {
                rows.append([
                    index == 0 ? service.service : "", index == 0 ? service.change : "", cluster.cluster,
                    "\(decimal(cluster.before)) %", "\(decimal(cluster.after)) %", cluster.reason,
                ])
            }
        }
        if services.isEmpty { print("Clients of \(view) would be served the same.") } else { printTable(rows) }
        print("\(services.count) services differ, \(same) don't; \(clients) client streams are open.")
        for field in pending { print("! pending  \(field) takes effect at the next start only") }
        for cluster in unknown {
            print("! unknown  the pods of \(cluster) are not known before the configuration is in force")
        }
    }
}
