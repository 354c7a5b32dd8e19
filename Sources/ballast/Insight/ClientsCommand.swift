import AdminAPI
import ArgumentParser
import Foundation
import XDS

/// `ballast clients`: who has what.
struct ClientsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clients", abstract: "Lists the clients, and whether they have what is served.",
        discussion: """
            SYNCED has what is served now. PENDING was sent it, and has not answered for less than 5 s; STALE for longer. \
            BEHIND was not sent it yet. NACKED rejected it, and keeps the last that it accepted.
            """)

    @Argument(help: "Only this node.") var node: String?
    @Option(
        help: ArgumentHelp(
            "Of the node: the resource that it should have, as JSON, such as eds/httpbin.", valueName: "type/name"))
    var resource: String?
    @Option(help: "Only clients in this state.") var state: String?
    @Option(help: "Only clients of this service.") var service: String?
    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions

    func validate() throws {
        guard resource == nil || node != nil && resource?.contains("/") == true else {
            throw ValidationError("--resource takes a node, and a type and a name such as eds/httpbin")
        }
    }

    func run() async throws {
        if let node, let resource { return try await show(resource, of: node) }
        try await watching.repeating {
            let page = try await admin.client.get(
                ClientsPage.self, .clients, query: [("node", node), ("state", state), ("service", service)])
            if let node, page.clients.isEmpty { throw CommandFailure("no client of the name \(node) fits", .failed) }
            guard admin.output.isTable else { return try admin.output.print(page, names: page.clients.map(\.node)) }
            var rows = [["NODE", "KIND", "VIEW", "STATE", "TYPES", "SINCE", "NOTE"]]
            for client in page.clients where client.state != nil {
                let types = Set(client.streams.flatMap(\.subscriptions).map { $0.type.shortType }).sorted()
                rows.append([
                    client.node, "\(client.userAgent)\(client.audience.map { " (\($0))" } ?? "")", client.view ?? "-",
                    client.state ?? "-", types.joined(separator: " "), client.since?.ISO8601Format() ?? "-",
                    client.note ?? "",
                ])
            }
            printTable(rows)
            guard admin.output == .wide || node != nil else { return }
            for client in page.clients { client.showResources() }
        }
    }
}

extension ClientsCommand {
    private func show(_ resource: String, of node: String) async throws {
        let parts = resource.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw ValidationError("--resource \(resource): should be TYPE/NAME") }
        try await watching.repeating {
            let page = try await admin.client.get(
                ResourcePage.self, .resource, name: node, resource: (parts[0], parts[1]))
            if admin.output == .yaml || admin.output == .name {
                return try admin.output.print(page, names: [page.name])
            }
            try printJSON(page)
        }
    }
}

extension ClientsPage.Client {
    fileprivate func showResources() {
        var rows = [["TYPE", "RESOURCE", "SENT", "ACCEPTED"]]
        for subscription in streams.flatMap(\.subscriptions) {
            for resource in subscription.resources {
                rows.append([
                    subscription.type.shortType, resource.name,
                    resource.sent ?? (resource.exists == false ? "none" : "-"), resource.acknowledged ?? "-",
                ])
            }
        }
        guard rows.count > 1 else { return }
        print("\n\(node)")
        printTable(rows)
    }
}

extension String {
    /// `CDS` and the like for a type URL.
    fileprivate var shortType: String {
        TypeURL(rawValue: self).acronym ?? split(separator: ".").last.map(String.init) ?? self
    }
}
