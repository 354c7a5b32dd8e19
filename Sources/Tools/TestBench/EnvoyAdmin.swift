import Foundation

/// The admin interface of a running Envoy.
public struct EnvoyAdmin: Sendable {
    private let host: String
    private let port: Int

    /// Creates a client of an admin interface.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Whether Envoy has finished starting and has its first endpoints.
    public var isReady: Bool {
        get async throws { try await HTTPConnection.get(host: host, port: port, "/ready").status == 200 }
    }

    /// The value of a counter or gauge; 0 if it doesn't exist yet.
    public func stat(_ name: String) async throws -> Int {
        // The filter is a regular expression, percent-encoded.
        let filter = NSRegularExpression.escapedPattern(for: name).addingPercentEncoding(
            withAllowedCharacters: .alphanumerics)
        let page = try await HTTPConnection.get(host: host, port: port, "/stats?filter=\(filter ?? "")")
        let line = page.body.split(separator: "\n").first { $0.hasPrefix("\(name): ") }
        return line.flatMap { Int($0.dropFirst(name.count + 2)) } ?? 0
    }

    /// The endpoints of an Envoy cluster as Envoy has applied them, by address: `10.0.0.1:80`, or `west_gateway/w1`
    /// behind an internal listener.
    public func endpoints(of cluster: String) async throws -> [String: AppliedEndpoint] {
        let page = try await HTTPConnection.get(host: host, port: port, "/clusters?format=json")
        let clusters = try JSONDecoder().decode(Clusters.self, from: Data(page.body.utf8)).clusterStatuses ?? []
        let hosts = clusters.first { $0.name == cluster }?.hostStatuses ?? []
        return Dictionary(
            hosts.map { host in
                let health = host.healthStatus?.edsHealthStatus?.lowercased() ?? "healthy"
                return (
                    host.address.text,
                    AppliedEndpoint(weight: host.weight ?? 1, health: health, subZone: host.locality?.subZone ?? "")
                )
            },
            uniquingKeysWith: { $1 }
        )
    }

    /// The weights of an Envoy cluster's endpoints.
    public func weights(of cluster: String) async throws -> [String: Int] {
        try await endpoints(of: cluster).mapValues(\.weight)
    }

    /// The names of all Envoy clusters.
    public var clusters: Set<String> {
        get async throws {
            let page = try await HTTPConnection.get(host: host, port: port, "/clusters?format=json")
            let clusters = try JSONDecoder().decode(Clusters.self, from: Data(page.body.utf8)).clusterStatuses ?? []
            return Set(clusters.map(\.name))
        }
    }

    /// The bytes that the process has allocated.
    public var allocatedBytes: Int {
        get async throws {
            struct Memory: Decodable { var allocated: String }
            let page = try await HTTPConnection.get(host: host, port: port, "/memory")
            return Int(try JSONDecoder().decode(Memory.self, from: Data(page.body.utf8)).allocated) ?? 0
        }
    }

    /// Sets a runtime key.
    public func setRuntime(_ key: String, to value: String) async throws {
        let path = "/runtime_modify?\(key)=\(value)"
        let answer = try await HTTPConnection.get(host: host, port: port, path, isPost: true)
        guard answer.status == 200 else { throw BenchError("\(path): \(answer.status) \(answer.body)") }
    }

    /// The body of a page.
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

    private struct Locality: Decodable {
        var subZone: String?

        enum CodingKeys: String, CodingKey { case subZone = "sub_zone" }
    }

    private struct Host: Decodable {
        struct Health: Decodable {
            var edsHealthStatus: String?

            enum CodingKeys: String, CodingKey { case edsHealthStatus = "eds_health_status" }
        }

        var address: Address
        var weight: Int?
        var healthStatus: Health?
        var locality: Locality?

        enum CodingKeys: String, CodingKey {
            case address, weight, locality
            case healthStatus = "health_status"
        }
    }

    private struct Address: Decodable {
        struct Socket: Decodable {
            var address: String
            var port: Int

            enum CodingKeys: String, CodingKey {
                case address
                case port = "port_value"
            }
        }

        struct Listener: Decodable {
            var name: String
            var id: String?

            enum CodingKeys: String, CodingKey {
                case name = "server_listener_name"
                case id = "endpoint_id"
            }
        }

        var socket: Socket?
        var listener: Listener?

        enum CodingKeys: String, CodingKey {
            case socket = "socket_address"
            case listener = "envoy_internal_address"
        }

        var text: String {
            if let socket { return "\(socket.address):\(socket.port)" }
            return listener.map { "\($0.name)/\($0.id ?? "")" } ?? ""
        }
    }
}

/// An endpoint as Envoy has applied it.
public struct AppliedEndpoint: Hashable, Sendable {
    /// At least 1.
    public var weight: Int
    /// `healthy`, `draining` or `unhealthy`, as in EDS.
    public var health: String
    /// The sub-zone of its locality.
    public var subZone: String
}
