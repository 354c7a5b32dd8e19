import EnvoyAPI
@testable import GRPCTransport
import Intent
import Model
@testable import Serving
import Snapshots
import Testing
import XDS

/// One row of the access matrix: a certificate, a node, the rules, and what the client is served.
private struct Row: Sendable, CustomTestStringConvertible {
    enum Outcome: Hashable, Sendable {
        case view(ClusterName, ClientKind)
        case exports
        case refused(String)
    }

    var certificate: [PeerIdentity]
    var metadata: [String: String]
    var hasRules: Bool
    var outcome: Outcome

    init(_ certificate: [PeerIdentity], _ metadata: [String: String], rules: Bool, _ outcome: Outcome) {
        (self.certificate, self.metadata, hasRules, self.outcome) = (certificate, metadata, rules, outcome)
    }

    var testDescription: String { "\(certificate) \(metadata) \(hasRules ? "with" : "without") rules" }
}

private let east = PeerIdentity.uri("spiffe://m/east/client")
private let gateway = PeerIdentity.dns("gateway.west.example")
private let peer = PeerIdentity.dns("ballast.west.example")
private let stranger = PeerIdentity.uri("spiffe://m/north/client")
private let asPeer = ["role": "ballast"]
private let asGateway = ["role": "gateway", "cluster": "west"]

/// Identity x role x view x peer, with and without `xds.tls.allow`.
///
/// The rules: east's clients may see east as clients; `*.west.example` may see west as a gateway. West's Ballast is named
/// by `export`.
@Suite struct AccessControlTests {
    private static let rows = [
        // Without rules every certificate sees the view that it asks for, except a peer's.
        Row([], [:], rules: false, .view("east", .plain)),
        Row([], ["cluster": "west", "lanes": "true"], rules: false, .view("west", .lanes)),
        Row([], ["cluster": "none"], rules: false, .view("east", .plain)),
        Row([stranger], asGateway, rules: false, .view("west", .gateway)),
        Row([peer], asPeer, rules: false, .exports),
        Row([peer], [:], rules: false, .refused("may import what is exported to it, and see nothing else")),
        Row([peer], asGateway, rules: false, .refused("may import what is exported to it, and see nothing else")),
        Row([], asPeer, rules: false, .refused("nothing is exported to nobody")),
        Row([stranger], asPeer, rules: false, .refused("nothing is exported to spiffe://m/north/client")),
        // With rules a certificate needs one for its view and its role.
        Row([east], [:], rules: true, .view("east", .plain)),
        Row([east], ["lanes": "true"], rules: true, .view("east", .lanes)),
        Row([east], ["cluster": "west"], rules: true, .refused("may not see the view of cluster west as a client")),
        Row(
            [east], ["role": "gateway", "cluster": "east"], rules: true,
            .refused("may not see the view of cluster east as a gateway")),
        Row([east], asPeer, rules: true, .refused("nothing is exported to spiffe://m/east/client")),
        Row([gateway], asGateway, rules: true, .view("west", .gateway)),
        Row([gateway], ["cluster": "west"], rules: true, .refused("may not see the view of cluster west as a client")),
        Row([gateway, east], [:], rules: true, .view("east", .plain)),
        // A peer's certificate that a rule names, too, may do both.
        Row([peer], asPeer, rules: true, .exports),
        Row([peer], asGateway, rules: true, .view("west", .gateway)),
        Row([peer], [:], rules: true, .refused("may not see the view of cluster east as a client")),
        Row([stranger], [:], rules: true, .refused("spiffe://m/north/client may not connect (xds.tls.allow)")),
        Row([], [:], rules: true, .refused("nobody may not connect (xds.tls.allow)")),
    ]

    @Test(arguments: rows) private func `each client is served its view, or refused with the reason`(_ row: Row) throws
    {
        let rules = [
            Access.Rule(
                identity: try #require(IdentityPattern("spiffe://m/east/*")), views: ["east"], roles: [.client]),
            Access.Rule(
                identity: try #require(IdentityPattern("*.west.example")), views: ["west"], roles: [.gateway]),
        ]
        let control = AccessControl(row.hasRules ? Access(rules: rules) : nil)
        let federation = Federation(
            ownCluster: "east", clusters: ["east", "west"],
            exports: [Export(peer: "west", identity: try #require(IdentityPattern("ballast.west.example")))])
        let method = try #require(Method.all.first { $0.type == nil && $0.variant == .delta })
        let head = StreamHead(method: method.path, peer: "10.0.0.1:1", identities: row.certificate)
        let node = Node(id: "n", cluster: "c", userAgent: "envoy", metadata: row.metadata)
        let outcome: Row.Outcome
        do throws(GRPCStatus) {
            switch try control.view(of: node, on: head, in: federation, servesLEDS: false) {
            case .client(let view): outcome = .view(view.cluster, view.kind)
            case .peer(let name): outcome = name == "west" ? .exports : .refused("the exports to \(name)")
            }
        } catch {
            #expect(error.code == .permissionDenied)
            guard case .refused(let reason) = row.outcome else { throw error }
            #expect(error.message.contains(reason), "\(error.message)")
            return
        }
        #expect(outcome == row.outcome)
    }

    @Test func `rules that are replaced hold at once, and only others are a change`() throws {
        let rule = Access.Rule(identity: try #require(IdentityPattern("*.example")))
        let control = AccessControl(nil)
        #expect(control.replace(with: Access(rules: [rule])))
        #expect(!control.replace(with: Access(rules: [rule])))
        #expect(control.replace(with: nil))
    }
}
