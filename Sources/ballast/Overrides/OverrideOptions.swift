import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// When a change begins and ends, why, and whether to ask first.
struct OverrideOptions: ParsableArguments {
    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("It ends by itself after this time, such as 2h.", valueName: "time"))
    var lasting: String?

    @Flag(help: "It doesn't end by itself.")
    var permanent = false

    @Option(help: "Only for clients of this mesh cluster; may be repeated.")
    var view: [String] = []

    @Option(help: "Why, in 3 to 300 characters.")
    var reason: String

    @Flag(help: "Don't ask; needed without a terminal.")
    var yes = false

    @Flag(help: "Print the plan, and change nothing.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "With --dry-run: compute as if this were down: CLUSTER, CLUSTER/POD, zone:CLUSTER/ZONE or gateway:CLUSTER/ADDRESS. May be repeated.",
            valueName: "loss"))
    var assume: [String] = []

    @Option(help: "With --dry-run: compute with so many requests per second.")
    var rps: Double?

    @Option(help: ArgumentHelp("Break this safety rule; takes the role breaker. May be repeated.", valueName: "rule"))
    var breakRule: [String] = []

    func validate() throws {
        guard permanent != (lasting != nil) else {
            throw ValidationError("say when it ends: --for 2h, or --permanent")
        }
        guard dryRun || assume.isEmpty && rps == nil else {
            throw ValidationError("--assume and --rps are for --dry-run and what-if")
        }
        if let lasting, TimeSpan(lasting) == nil {
            throw ValidationError("--for \(lasting): should be a time such as 90s, 10m, 2h or 1d")
        }
    }

    /// A spec with these options, without an action.
    func spec(_ service: String) -> OverrideSpec {
        var spec = OverrideSpec(service: service, reason: reason)
        spec.views = view.isEmpty ? nil : view
        if permanent { spec.permanent = true }
        if let span = lasting.flatMap(TimeSpan.init) {
            let seconds = Double(span.duration.components.seconds)
            spec.until = Date(timeIntervalSince1970: (Date().timeIntervalSince1970 + seconds).rounded(.up))
        }
        return spec
    }

    /// Shows the plan, asks, and creates the override.
    func apply(_ spec: OverrideSpec, _ admin: AdminOptions) async throws {
        let client = try admin.client
        let premises = assume.map { ("assume", $0.replacing("=down", with: "")) as (String, String?) }
        let plan = try await client.post(
            PlanPage.self, .plans, query: premises + [("rps", rps.map { "\($0)" })], spec)
        if admin.output.isTable { plan.show() } else if dryRun { try admin.output.print(plan, names: [plan.service]) }
        if dryRun { return }
        if !yes { try confirm() }
        let page: OverridePage
        do {
            page = try await client.post(
                OverridePage.self, .overrides, query: breakRule.map { ("breakRule", $0) }, spec, match: plan.etag)
        } catch let problem as ProblemPage {
            problem.plan?.show()
            throw problem
        }
        guard admin.output.isTable else { return try admin.output.print(page, names: [page.override.id]) }
        print("\(page.override.id) created.  ballast weights show \(plan.service)   ballast undo \(page.override.id)")
    }

    private func confirm() throws {
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure("nothing changed: without a terminal, say --yes", .failed)
        }
        print("Apply? [y/N] ", terminator: "")
        try? FileHandle.standardOutput.synchronize()
        guard let line = readLine(), ["y", "yes"].contains(line.lowercased()) else {
            throw CommandFailure("nothing changed", .failed)
        }
    }
}
