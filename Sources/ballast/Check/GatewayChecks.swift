import AdminAPI
import Foundation

/// What `ballast check` asks a gateway: its admin interface, and a TLS connection for each SNI that Ballast serves.
struct GatewayChecks {
    let gateway: EnvoyAdminClient
    let server: AdminClient
    private(set) var findings: [Finding] = []

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
        let names = Set(endpoints.compactMap(\.hostname)).sorted()
        if names.isEmpty { add(.ok, .nothingWrong, "Ballast serves no SNI: nothing to probe") }
        for sni in names.prefix(50) { await probe(sni, at: address, isRouted: known.contains(sni)) }
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
        case .reset where isRouted: add(.fail, .sniReset, "SNI \(sni): the connection is reset")
        case .reset:
            add(.fail, .sniMissing, "SNI \(sni): the gateway has no cluster of that name, and resets the connection")
        case .refused(let reason): add(.fail, .gatewayUnreachable, "\(address.host):\(address.port): \(reason)")
        case .silent: add(.unknown, .podSilent, "SNI \(sni): no answer within \(TLSProbe.patience / .seconds(1)) s")
        }
    }
}
