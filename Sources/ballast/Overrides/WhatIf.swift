import AdminAPI
import ArgumentParser
import Foundation
import Model
import Overrides

/// `ballast what-if`: any change, not made.
struct WhatIf: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "what-if",
        abstract: "Shows what a command would change, or a changed configuration, and changes nothing.",
        discussion: """
            An example: `ballast what-if weights set httpbin west=20%`, or `ballast what-if --config new.yaml`. The end of \
            the change may be left out.
            """,
        subcommands: [WhatIfWeights.self, WhatIfDrain.self])

    @Option(help: "The file of a changed configuration.")
    var config: String?

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        guard let config else {
            throw ValidationError("say which change: weights set SERVICE …, drain …, or --config FILE")
        }
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

/// The options of a plan; those that only the change itself needs are accepted, so that its command line can be pasted.
struct WhatIfOptions: ParsableArguments {
    @OptionGroup var terms: OverrideTerms
    @OptionGroup var premises: PlanPremises

    @Option(help: ArgumentHelp("Why; for the change itself.", visibility: .hidden))
    var reason = "what if"

    @Flag(help: ArgumentHelp("For the change itself.", visibility: .hidden))
    var yes = false

    func spec(_ service: String) throws -> OverrideSpec { try terms.spec(service, reason: reason) }

    func plan(_ spec: OverrideSpec, _ admin: AdminOptions) async throws { try await premises.plan(spec, admin) }
}

/// `ballast what-if weights`.
struct WhatIfWeights: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weights", abstract: "Shows what a change of weights would do.",
        subcommands: [WhatIfWeightsSet.self])
}

/// `ballast what-if weights set`: the plan of `ballast weights set`.
struct WhatIfWeightsSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Shows what a change of shares would do, and changes nothing.",
        discussion: WeightChange.discussion)

    @OptionGroup var change: WeightChange
    @OptionGroup var options: WhatIfOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            try await options.plan(try change.fill(try options.spec(change.service)), admin)
        }
    }
}

/// `ballast what-if drain`: the plan of `ballast drain`.
struct WhatIfDrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Shows what a drain would do, and changes nothing.")

    @OptionGroup var change: DrainChange
    @OptionGroup var options: WhatIfOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            try await options.plan(try change.fill(try options.spec(change.service)), admin)
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
        let streams = services.isEmpty ? "" : "; \(clients) client streams would be sent what differs"
        print(
            "\(services.count) \(services.count == 1 ? "service differs" : "services differ"), \(same) don't\(streams)."
        )
        for field in pending { print("! pending  \(field) takes effect at the next start only") }
        for cluster in unknown {
            print("! unknown  the pods of \(cluster) are not known before the configuration is in force")
        }
    }
}
