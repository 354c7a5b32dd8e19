import AdminAPI
import ArgumentParser
import Foundation
import Overrides

/// Why a change is made, when it ends, and whether to ask first.
struct OverrideOptions: ParsableArguments {
    @OptionGroup var terms: OverrideTerms

    @Option(help: "Why, in 3 to 300 characters.")
    var reason: String

    @Flag(help: "Don't ask; needed without a terminal.")
    var yes = false

    @Flag(help: "Print the plan, and change nothing.")
    var dryRun = false

    @OptionGroup var premises: PlanPremises

    @Option(help: ArgumentHelp("Break this safety rule; takes the role breaker. May be repeated.", valueName: "rule"))
    var breakRule: [String] = []

    func validate() throws {
        guard terms.haveEnd else { throw ValidationError("say when it ends: --for 2h, or --permanent") }
        guard dryRun || premises.areNone else {
            throw ValidationError("--assume and --rps are for --dry-run and what-if")
        }
    }

    /// A spec with these options, without an action.
    func spec(_ service: String) throws -> OverrideSpec { try terms.spec(service, reason: reason) }

    /// Shows the plan, asks, and creates the override.
    func apply(_ spec: OverrideSpec, _ admin: AdminOptions) async throws {
        let client = try admin.client
        if dryRun { return try await premises.plan(spec, admin) }
        let plan = try await client.post(PlanPage.self, .plans, spec)
        if admin.output.isTable { plan.show() } else if !yes { say(plan.summary) }
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
        FileHandle.standardError.write(Data("Apply? [y/N] ".utf8))
        guard let line = readLine(), ["y", "yes"].contains(line.lowercased()) else {
            throw CommandFailure("nothing changed", .failed)
        }
    }
}
