import Foundation

/// The configuration of an attacked server, and its files.
///
/// Every attacked server has a cluster `home` with the service `honest`, whose endpoints file changes all the time.
struct VictimConfiguration: Sendable {
    /// Another Ballast, as configured in the importer.
    struct Peer: Sendable {
        var cluster: String
        var port: UInt16
        /// The services that it may export.
        var services: [String]
        /// The kinds of addresses that it may export besides usual pod addresses.
        var addresses: [String] = []
        var reach = "gateway"
    }

    /// Whether the xDS server uses mutual TLS instead of plaintext.
    var isTLS = false
    /// Whether the connection guard is on.
    var isGuarded = true
    /// Services besides `honest`.
    var services: [String] = []
    /// Clusters with an endpoints file of the same name.
    var files: [String] = []
    /// Clusters whose source is another Ballast.
    var peers: [Peer] = []
    /// Clusters whose source is an API server, with the service `shop` in the namespace `shop`.
    var kubernetes: [String] = []

    /// The limit on EndpointSlices from an API server; nil for the default.
    var objects: Int?

    var text: String {
        var lines = ["cluster: home", "guard: off", "xds:", "  listen: \"127.0.0.1:0\""]
        if isTLS {
            lines.append("  tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt}")
        }
        if !isGuarded { lines.append("  connectionGuard: off") }
        if let objects { lines.append("sources: {objects: \(objects)}") }
        lines += ["admin: {listen: \"127.0.0.1:0\"}", "clusters:"]
        for name in ["home"] + files { lines.append("  \(name): {endpoints: {file: \(name).yaml}, network: home}") }
        for name in kubernetes {
            lines.append(
                "  \(name): {endpoints: {kubernetes: {kubeconfig: \(name).kubeconfig, services: {shop: {namespace: shop}}}}}"
            )
        }
        for peer in peers { lines += Self.lines(of: peer) }
        lines.append("services:")
        for name in ["honest"] + services { lines.append("  \(name): {}") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(of peer: Peer) -> [String] {
        var lines = [
            "  \(peer.cluster):", "    reach: \(peer.reach)", "    endpoints:", "      ballast:",
            "        address: \"127.0.0.1:\(peer.port)\"",
            "        tls: {certificate: certs/ballast.crt, key: certs/ballast.key, ca: certs/ca.crt, serverName: peer.example}",
        ]
        lines.append("        services: [\(peer.services.joined(separator: ", "))]")
        if !peer.addresses.isEmpty { lines.append("        addresses: [\(peer.addresses.joined(separator: ", "))]") }
        return lines
    }

    /// The endpoints file of `home`, with this weight for the first pod of `honest`.
    static func home(weight: Int, services: [String: [String]] = [:]) -> String {
        var text = """
            services:
              honest:
                - {name: first, address: "10.1.0.1:80", weight: \(weight)}
                - {name: second, address: "10.1.0.2:80"}

            """
        for (name, addresses) in services.sorted(by: { $0.key < $1.key }) {
            text += "  \(name):\n"
            for (index, address) in addresses.enumerated() {
                text += "    - {name: \(name)-\(index), address: \"\(address)\"}\n"
            }
        }
        return text
    }

    /// An endpoints file with one service.
    static func endpoints(of service: String, count: Int) -> String {
        var text = "services:\n  \(service):\n"
        for index in 0..<count {
            text += "    - {name: pod-\(index), address: \"10.3.\(index >> 8 & 255).\(index & 255):80\"}\n"
        }
        return text
    }
}
