import AdminAPI
import Foundation
import Probes

/// What `ballast check` asks a gateway: its admin interface, and a TLS connection for each SNI that Ballast serves.
struct GatewayChecks {
    let gateway: EnvoyAdminClient
    let server: AdminClient
    private(set) var findings: [Finding] = []
    /// The most SNIs that are probed.
    private static let most = 50

    init(_ gateway: EnvoyAdminClient, server: AdminClient) {
        self.gateway = gateway
        self.server = server
    }

    private mutating func add(_ state: CheckState, _ code: CheckCode, _ says: String) {
        findings.append(Finding(place: "gateway", state: state, code: code, says: says))
    }

    mutating func run() async throws {
        let stats = try await gateway.stats(#"^control_plane\.connected_state$"#)
        if stats["control_plane.connected_state"] == 0 {
            add(.warn, .gatewayDisconnected, "control_plane.connected_state is 0")
        }
        guard let address = try await listener() else {
            return add(.unknown, .gatewayUnreachable, "no TCP listener of the gateway is known; nothing was probed")
        }
        let known = Set(try await gateway.clusters(["name"]).compactMap { $0["name"].string })
        let endpoints = try await server.services(audience: "lanes").services.flatMap(\.endpoints)
        // A gateway leads to the pods of one mesh cluster, whose endpoints have one internal listener.
        let byListener = Dictionary(grouping: endpoints.filter { $0.hostname != nil }) {
            $0.address.split(separator: "/").first.map(String.init) ?? ""
        }
        let groups = byListener.mapValues { Set($0.compactMap(\.hostname)) }
        let own = groups.filter { !$0.value.isDisjoint(with: known) }
        let names = (own.isEmpty ? groups : own).values.reduce(into: Set()) { $0.formUnion($1) }.sorted()
        if names.isEmpty { add(.ok, .nothingWrong, "Ballast serves no SNI: nothing to probe") }
        if names.count > Self.most {
            add(.warn, .notProbed, "only \(Self.most) of \(names.count) SNIs were probed")
        }
        for sni in names.prefix(Self.most) { await probe(sni, at: address, isRouted: known.contains(sni)) }
    }

    /// The address of the gateway's own listener.
    private func listener() async throws -> (host: String, port: Int)? {
        let page = try await gateway.json("/listeners", query: [("format", "json")])
        for listener in page?["listener_statuses"].array ?? [] {
            let socket = listener["local_address"]["socket_address"]
            guard let host = socket["address"].string, let port = socket["port_value"].number else { continue }
            let own = URLComponents(string: gateway.address)?.host ?? "127.0.0.1"
            return (["0.0.0.0", "::"].contains(host) ? own : host, Int(port))
        }
        return nil
    }

    private mutating func probe(_ sni: String, at address: (host: String, port: Int), isRouted: Bool) async {
        switch await TLSProbe(host: address.host, port: address.port, sni: sni).run() {
        case .connected(let time, let end):
            if let end, end <= Date() {
                add(.fail, .podCertificateExpired, "\(sni): the pod's certificate expired at \(end.ISO8601Format())")
            } else {
                add(.ok, .sniLeads, "SNI \(sni) is answered (TLS in \(Int((time / .milliseconds(1)).rounded())) ms)")
            }
        case .answered: add(.ok, .sniLeads, "SNI \(sni) is answered; the pod then ended the handshake")
        case .reset where isRouted: add(.fail, .sniReset, "SNI \(sni): the connection is reset")
        case .reset:
            add(.fail, .sniMissing, "SNI \(sni): the gateway has no cluster of that name, and resets the connection")
        case .refused(let reason): add(.fail, .gatewayUnreachable, "\(address.host):\(address.port): \(reason)")
        case .silent: add(.unknown, .podSilent, "SNI \(sni): no answer within \(TLSProbe.patience / .seconds(1)) s")
        }
    }
}
