import Model
import AdminAPI
import ArgumentParser
import Overrides

/// `ballast status`: the first look.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows services, shares, clients, overrides, and what needs attention; ends with 1 if something does."
    )

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        var needsAttention = false
        try await watching.repeating {
            let page = try await admin.client.get(OverviewPage.self, .overview)
            needsAttention = !page.attention.isEmpty
            guard admin.output.isTable else {
                return try admin.output.print(page, names: page.services.map(\.service))
            }
            page.show()
        }
        if needsAttention { throw ExitCode(1) }
    }
}

extension OverviewPage {
    /// Prints the page.
    func show() {
        print("ballast \(version)   \(ready ? "ready" : "not ready")   store \(store)")
        let served = podless.isEmpty ? "every one has pods" : "\(podless.count) without pods"
        let load = rps.map { "\(decimal($0))/s\(errorRate.map { ", \(decimal($0 * 100)) % errors" } ?? "") (30 s)" }
        print("SERVICES   \(serviceCount)   \(served)   REQUESTS  \(load ?? "no client reports")")
        let states = ["SYNCED", "PENDING", "STALE", "BEHIND", "NACKED"].compactMap { state in
            clients[state].map { "\($0) \(state)" }
        }
        let stale = sources.count { $0.stale != nil }
        print(
            "CLIENTS    \(clients.values.reduce(0, +))   \(states.joined(separator: ", "))   SOURCES  \(sources.count - stale) fresh\(stale > 0 ? ", \(stale) stale" : "")"
        )
        print("OVERRIDES  \(overrides.count)")
        for entry in overrides { print("  \(entry.override.spec.service)  \(entry.line)") }
        print("")
        var rows = [["SERVICE", "CLUSTER", "BASE", "INTENDED", "TAKEN", "OBSERVED", "REQ/S", "ERRORS", "PODS", "WHY"]]
        for service in services {
            for (index, cluster) in service.clusters.enumerated() {
                rows.append([
                    index == 0 ? service.service : "", cluster.cluster, "\(decimal(cluster.base)) %",
                    "\(decimal(cluster.intended)) %", "\(service.taken)/\(service.clients)",
                    cluster.observed.map { "\(decimal($0)) %" } ?? "-", cluster.rps.map(decimal) ?? "-",
                    cluster.errorRate.map { "\(decimal($0 * 100)) %" } ?? "-",
                    "\(cluster.podsHealthy)/\(cluster.podCount)", cluster.why,
                ])
            }
        }
        printTable(rows)
        if serviceCount > services.count { print("and \(serviceCount - services.count) more services") }
        guard !attention.isEmpty else { return }
        print("")
        print("ATTENTION")
        for line in attention { print("  \(line)") }
    }
}
