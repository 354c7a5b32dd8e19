import AdminAPI
import ControlPlane
import EnvoyAPI
import Foundation
import Hummingbird
import Model
import Serving
import Snapshots
import XDS

// The paths of clients: who has what, and what a client should have.

extension AdminServer {
    /// The maximum number of resources listed for each type of a stream: with all clients, and with one node.
    private static let listed = (ofAll: 100, ofNode: 10_000)

    /// The first clients with their first resources, or all clients of one node with more.
    func clients(_ request: Request) async throws -> Response {
        let node = request.uri.queryParameters["node"].map(String.init)
        let state = request.uri.queryParameters["state"].map(String.init)
        let service = request.uri.queryParameters["service"].map { ServiceName(rawValue: String($0)) }
        if let state, SyncState(rawValue: state) == nil {
            let all = SyncState.allCases.map(\.rawValue).joined(separator: ", ")
            throw RequestError("invalid", "`state` should be one of: \(all)", .badRequest)
        }
        var nodes: Set<String>?
        if let service { nodes = Set(await controlPlane.deliveries(of: service).map(\.node)) }
        let all = await controlPlane.clients()
        // A client's state is that of its worst stream, so whole clients are selected.
        var states: Set<ClientKey>?
        if let state { states = Set(all.filter { $0.sync?.rawValue == state }.map(ClientKey.init)) }
        let clients = all.filter {
            (node == nil || $0.node == node) && nodes?.contains($0.node) != false
                && states?.contains(ClientKey($0)) != false
        }
        var page = ClientsPage(clients, listing: node == nil ? Self.listed.ofAll : Self.listed.ofNode)
        if let state { page.clients.removeAll { $0.state != state } }
        return try json(page)
    }

    /// The clients of one node.
    func client(_ context: AdminContext) async throws -> Response {
        let clients = try await clients(context)
        return try json(ClientsPage(clients, listing: Self.listed.ofNode))
    }

    /// What one client should have of one resource.
    func resource(_ context: AdminContext) async throws -> Response {
        let clients = try await clients(context)
        let type = try type(context)
        let name = ResourceName(rawValue: try parameter("resource", context))
        let states = clients.flatMap { $0.subscriptions(listing: Self.listed.ofNode) }.filter { $0.type == type }
            .flatMap(\.subscription.resources).filter { $0.name == name }
        let served = clients.lazy.compactMap(\.view).compactMap { controlPlane.resource(name, type, of: $0) }.first
        guard served != nil || !states.isEmpty else {
            throw RequestError("unknown", "no client of that name has or wants a resource \(name)", .notFound)
        }
        return try json(
            ResourcePage(
                node: clients[0].node, type: type.rawValue, name: name.rawValue, version: served?.version.description,
                sent: states.first?.sent?.description, acknowledged: states.first?.acknowledged?.description,
                resource: try served.map { try AdminJSON.decode(JSONValue.self, from: Data(try $0.json.utf8)) }))
    }

    private func clients(_ context: AdminContext) async throws -> [ClientStatus] {
        let node = try parameter("name", context)
        let clients = await controlPlane.clients().filter { $0.node == node }
        guard !clients.isEmpty else { throw RequestError("unknown", "there is no client of that name", .notFound) }
        return clients
    }

    private func type(_ context: AdminContext) throws -> TypeURL {
        let text = try parameter("type", context)
        let type = ResourceType.all.first { $0.acronym == text.uppercased() || $0.url.rawValue == text }
        guard let type else {
            throw RequestError("invalid", "the type should be cds, eds, lds, rds, leds, or a type URL", .badRequest)
        }
        return type.url
    }
}

/// A client: a node on a connection.
private struct ClientKey: Hashable {
    var node: String
    var peer: String

    init(_ status: ClientStatus) { (node, peer) = (status.node, status.peer) }
}
