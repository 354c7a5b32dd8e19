import Intent
import KubernetesClient
import Model

/// An Istio Gateway, as far as it decides which hosts get filter chains.
struct IstioGatewayObject: KubernetesObject {
    struct Port: Decodable, Hashable, Sendable {
        var number: Int
    }

    struct TLS: Decodable, Hashable, Sendable {
        var mode: String?
    }

    struct Server: Decodable, Hashable, Sendable {
        var port: Port
        var hosts: [String]
        var tls: TLS?
    }

    struct Spec: Decodable, Hashable, Sendable {
        var selector: [String: String]?
        var servers: [Server]?
    }

    var metadata: ObjectMetadata
    var spec: Spec?
}

/// The AUTO_PASSTHROUGH servers of all Gateways.
///
/// istiod makes a filter chain for each host in a server's scope, once for each server
/// (`builtAutoPassthroughFilterChains`). Two servers on one port of one gateway would give it two chains with the same
/// SNI: its Envoy then refuses the whole listener, and no later change reaches it.
struct AutoPassthrough: Sendable {
    private struct Server {
        var gateway: ObjectKey
        var selector: [String: String]
        var port: Int
        var hosts: [String]
    }

    /// Nil if no server decides.
    private let servers: [Server]?

    /// Accepts every host.
    static let any = AutoPassthrough()

    private init() { servers = nil }

    init(_ gateways: some Sequence<IstioGatewayObject>) {
        servers = gateways.flatMap { gateway in
            (gateway.spec?.servers ?? []).filter { $0.tls?.mode == "AUTO_PASSTHROUGH" }.map { server in
                Server(
                    gateway: gateway.metadata.key, selector: gateway.spec?.selector ?? [:], port: server.port.number,
                    hosts: server.hosts)
            }
        }.sorted { ($0.gateway, $0.port) < ($1.gateway, $1.port) }
    }

    /// Why a write must not be done; nil if it may be: it gives the object no other host, or one that may be written.
    func problem(with write: SlotTable.Write, of objects: SlotObjects) -> String? {
        guard write.changesHost, let host = objects.host(of: write.slot) else { return nil }
        return problem(with: host, in: objects.publication.namespace)
    }

    /// Why a ServiceEntry with this host must not be written; nil if it may be.
    func problem(with host: DNSName, in namespace: String) -> String? {
        guard let servers else { return nil }
        let fitting = servers.filter { server in
            server.hosts.contains { Self.fits($0, host.description, namespace, gateway: server.gateway.namespace) }
        }
        guard !fitting.isEmpty else {
            return "no AUTO_PASSTHROUGH server of a Gateway has hosts that include \(host) of namespace \(namespace)"
        }
        for (index, server) in fitting.enumerated() {
            for other in fitting.dropFirst(index + 1) where server.port == other.port {
                let areApart = server.selector.contains { key, value in other.selector[key].map { $0 != value } ?? false
                }
                guard !areApart else { continue }
                return """
                    two AUTO_PASSTHROUGH servers on port \(server.port) have hosts that include \(host): one of Gateway \
                    \(server.gateway), one of \(other.gateway). A gateway that has both would get two filter chains with one \
                    SNI, and refuse its whole listener
                    """
            }
        }
        return nil
    }

    /// Whether a host of a Gateway (`*.local`, `./*.local`, `istio-system/*`) includes a host of a namespace.
    private static func fits(_ pattern: String, _ host: String, _ namespace: String, gateway: String) -> Bool {
        let parts = pattern.split(separator: "/", maxSplits: 1).map { $0.lowercased() }
        if parts.count == 2 {
            guard parts[0] == "*" || parts[0] == namespace || parts[0] == "." && gateway == namespace else {
                return false
            }
        }
        guard let name = parts.last else { return false }
        if name == "*" || name == host { return true }
        return name.hasPrefix("*.") && host.hasSuffix(name.dropFirst())
    }
}
