import AdminAPI
import ArgumentParser
import Foundation
import Model
import Overrides

/// When a change begins and ends, and for whom.
struct OverrideTerms: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "It starts after this time, such as 10m, or at a time such as 2026-11-26T22:00:00Z.",
            valueName: "time"))
    var start: String?

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("It ends by itself after this time, such as 2h.", valueName: "time"))
    var lasting: String?

    @Flag(help: "It doesn't end by itself.")
    var permanent = false

    @Option(help: "Only for clients of this mesh cluster; may be repeated.")
    var view: [String] = []

    func validate() throws {
        guard !permanent || lasting == nil else { throw ValidationError("--for or --permanent, not both") }
        if let lasting, TimeSpan(lasting) == nil {
            throw ValidationError("--for \(lasting): should be a time such as 90s, 10m, 2h or 1d")
        }
        _ = try begin
    }

    /// Whether it is said when the change ends.
    var haveEnd: Bool { permanent || lasting != nil }

    /// A spec with these terms, without an action; permanent if no end is said.
    func spec(_ service: String, reason: String) throws -> OverrideSpec {
        var spec = OverrideSpec(service: service, reason: reason)
        spec.views = view.isEmpty ? nil : view
        spec.start = try begin
        if let seconds = lasting.flatMap(TimeSpan.init)?.seconds {
            spec.until = Date(
                timeIntervalSince1970: ((spec.start ?? Date()).timeIntervalSince1970 + seconds).rounded(.up))
        } else {
            spec.permanent = true
        }
        return spec
    }

    private var begin: Date? {
        get throws {
            guard let start else { return nil }
            if let seconds = TimeSpan(start)?.seconds { return Date(timeIntervalSinceNow: seconds.rounded(.up)) }
            if let time = ISOTime.parse(start) { return time }
            throw ValidationError("--start \(start): should be such as 10m, or 2026-11-26T22:00:00Z")
        }
    }
}

/// What a plan assumes.
struct PlanPremises: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Compute as if this were down: CLUSTER, CLUSTER/POD, zone:CLUSTER/ZONE or gateway:CLUSTER/ADDRESS. May be repeated.",
            valueName: "loss"))
    var assume: [String] = []

    @Option(help: "Compute with so many requests per second.")
    var rps: Double?

    /// Whether the plan assumes nothing.
    var areNone: Bool { assume.isEmpty && rps == nil }

    /// Shows what an override would change, and changes nothing.
    func plan(_ spec: OverrideSpec, _ admin: AdminOptions) async throws {
        let losses = assume.map { ("assume", $0.replacing("=down", with: "")) as (String, String?) }
        let plan = try await admin.client.post(
            PlanPage.self, .plans, query: losses + [("rps", rps.map { decimal($0) })], spec)
        if admin.output.isTable { plan.show() } else { try admin.output.print(plan, names: [plan.service]) }
    }
}
