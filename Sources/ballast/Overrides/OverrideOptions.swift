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

    func validate() throws {
        guard permanent != (lasting != nil) else {
            throw ValidationError("say when it ends: --for 2h, or --permanent")
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
        let plan = try await client.post(PlanPage.self, .plans, spec)
        if dryRun {
            if admin.output == .json { try printJSON(plan) } else { plan.show() }
            return
        }
        if admin.output == .table { plan.show() }
        if !yes { try confirm() }
        let page: OverridePage
        do {
            page = try await client.post(OverridePage.self, .overrides, spec, match: plan.etag)
        } catch let problem as ProblemPage {
            problem.plan?.show()
            throw problem
        }
        if admin.output == .json { return try printJSON(page) }
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

extension PlanPage {
    /// Prints the plan.
    func show() {
        var rows = [["CLUSTER", "POD", "NOW", "AFTER", "TIMES"]]
        for cluster in clusters {
            rows.append([cluster.cluster, "", "\(decimal(cluster.before)) %", "\(decimal(cluster.after)) %", ""])
            for pod in cluster.pods.prefix(10) {
                rows.append([
                    "", pod.pod, "\(decimal(pod.before)) %", "\(decimal(pod.after)) %", pod.times.map(decimal) ?? "",
                ])
            }
            let more = cluster.pods.count + (cluster.omitted ?? 0) - 10
            if more > 0 { rows.append(["", "and \(more) more"]) }
        }
        print("\(service), for clients of \(view)")
        printTable(rows)
        if steps.count > 1 {
            for cluster in clusters where cluster.before != cluster.after {
                let list = steps.compactMap { $0[cluster.cluster].map(decimal) }.joined(separator: " ")
                print("Steps      \(cluster.cluster): \(list) %")
            }
        }
        for warning in warnings {
            print("! \(warning.code)\(String(repeating: " ", count: max(1, 9 - warning.code.count)))\(warning.says)")
        }
    }
}
