import Foundation

/// The admin interface of a running Envoy.
public struct EnvoyAdmin: Sendable {
    private let host: String
    private let port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Whether it has finished starting, its first endpoints included.
    public var isReady: Bool {
        get async throws { try await HTTPConnection.get(host: host, port: port, "/ready").status == 200 }
    }

    /// A counter or a gauge; 0 where there is none yet.
    public func stat(_ name: String) async throws -> Int {
        let page = try await HTTPConnection.get(host: host, port: port, "/stats?filter=\(name)")
        let line = page.body.split(separator: "\n").first { $0.hasPrefix("\(name): ") }
        return line.flatMap { Int($0.dropFirst(name.count + 2)) } ?? 0
    }

    /// The endpoints of an Envoy cluster and their weights, as Envoy has applied them.
    public func weights(of cluster: String) async throws -> [String: Int] {
        let page = try await HTTPConnection.get(host: host, port: port, "/clusters?format=json")
        let clusters = try JSONDecoder().decode(Clusters.self, from: Data(page.body.utf8)).clusterStatuses ?? []
        let hosts = clusters.first { $0.name == cluster }?.hostStatuses ?? []
        return Dictionary(hosts.map { ($0.address.socketAddress.text, $0.weight ?? 1) }, uniquingKeysWith: { $1 })
    }

    /// A page as it is.
    public func page(_ path: String) async throws -> String {
        try await HTTPConnection.get(host: host, port: port, path).body
    }

    private struct Clusters: Decodable {
        var clusterStatuses: [Cluster]?

        enum CodingKeys: String, CodingKey { case clusterStatuses = "cluster_statuses" }
    }

    private struct Cluster: Decodable {
        var name: String
        var hostStatuses: [Host]?

        enum CodingKeys: String, CodingKey {
            case name
            case hostStatuses = "host_statuses"
        }
    }

    private struct Host: Decodable {
        var address: Address
        var weight: Int?
    }

    private struct Address: Decodable {
        var socketAddress: Socket

        enum CodingKeys: String, CodingKey { case socketAddress = "socket_address" }
    }

    private struct Socket: Decodable {
        var address: String
        var port: Int

        enum CodingKeys: String, CodingKey {
            case address
            case port = "port_value"
        }

        var text: String { "\(address):\(port)" }
    }
}
