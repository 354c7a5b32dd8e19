import NIOHTTP1
import NIOFoundationEssentialsCompat
import AsyncHTTPClient
import Foundation
import KubernetesClient
import NIOCore

/// Reads the admin interface of a live Envoy.
struct EnvoyAdminClient {
    /// Such as `http://127.0.0.1:9901`.
    let address: String

    init(_ address: String) { self.address = address.hasSuffix("/") ? String(address.dropLast()) : address }

    /// The JSON at a path; nil if Envoy answers with an error, as it does for a `resource` that it doesn't have.
    func json(_ path: String, query: [(String, String)] = []) async throws -> JSON? {
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~,"))
        let parameters = query.map { key, value in
            value.isEmpty ? key : "\(key)=\(value.addingPercentEncoding(withAllowedCharacters: plain) ?? value)"
        }
        let url = address + path + (parameters.isEmpty ? "" : "?\(parameters.joined(separator: "&"))")
        let (status, data): (UInt, Data)
        do {
            let response = try await HTTPClient.shared.execute(HTTPClientRequest(url: url), timeout: .seconds(10))
            data = Data(buffer: try await response.body.collect(upTo: 64 << 20))
            status = response.status.code
        } catch {
            throw CommandFailure(
                "\(address) \(ConnectionFailure.sentence(error)) (the address of Envoy's admin interface)", .unreachable
            )
        }
        guard status == 200 else { return nil }
        return (try? JSONSerialization.jsonObject(with: data)).map(JSON.init)
    }

    /// Statistics by name that match a regular expression.
    func stats(_ filter: String) async throws -> [String: Double] {
        let page = try await json("/stats", query: [("format", "json"), ("filter", filter)])
        var stats: [String: Double] = [:]
        for entry in page?["stats"].array ?? [] {
            if let name = entry["name"].string { stats[name] = entry["value"].number ?? 0 }
        }
        return stats
    }

    /// The Envoy clusters from xDS and from the bootstrap, with these fields.
    func clusters(_ fields: [String]) async throws -> [JSON] {
        var clusters: [JSON] = []
        for resource in ["dynamic_active_clusters", "static_clusters"] {
            let page = try await json(
                "/config_dump",
                query: [("resource", resource), ("mask", fields.map { "cluster.\($0)" }.joined(separator: ","))])
            clusters += (page?["configs"].array ?? []).map { $0["cluster"] }
        }
        return clusters
    }

    /// The hosts of all Envoy clusters.
    func hosts() async throws -> [EnvoyHosts] {
        let page = try await json("/clusters", query: [("format", "json")])
        return (page?["cluster_statuses"].array ?? []).map(EnvoyHosts.init)
    }
}

/// The hosts of an Envoy cluster.
struct EnvoyHosts {
    struct Host {
        /// As Ballast writes it: `10.0.0.1:80`, or `west_gateway/w1.httpbin.west.ballast`.
        var address: String
        var listener: String?
        var weight: Int
        var health: String
        var isEjected: Bool
        var failsCheck: Bool
        var isLeaving: Bool
        /// Requests that were tried: those sent, and those for which no connection came up.
        var attempts: Int
    }

    var cluster: String
    /// The EDS name; that of the cluster by default.
    var resource: String
    var hosts: [Host]

    init(_ status: JSON) {
        cluster = status["name"].string ?? ""
        resource = status["eds_service_name"].string ?? cluster
        hosts = (status["host_statuses"].array ?? []).map(Host.init)
    }
}

extension EnvoyHosts.Host {
    init(_ status: JSON) {
        let socket = status["address"]["socket_address"]
        let inner = status["address"]["envoy_internal_address"]
        listener = inner["server_listener_name"].string
        if let listener {
            address = "\(listener)/\(inner["endpoint_id"].string ?? "")"
        } else {
            let host = socket["address"].string ?? ""
            address = "\(host.contains(":") ? "[\(host)]" : host):\(Int(socket["port_value"].number ?? 0))"
        }
        weight = Int(status["weight"].number ?? 1)
        let health = status["health_status"]
        self.health = health["eds_health_status"].string ?? "UNKNOWN"
        isEjected = health["failed_outlier_check"].bool
        failsCheck = health["failed_active_health_check"].bool
        isLeaving = health["pending_dynamic_removal"].bool
        var counts: [String: Int] = [:]
        for stat in status["stats"].array ?? [] {
            if let name = stat["name"].string { counts[name] = Int(stat["value"].number ?? 0) }
        }
        attempts = (counts["rq_total"] ?? 0) + (counts["cx_connect_fail"] ?? 0)
    }

    /// What this Envoy makes of the host, in words.
    var state: String {
        if isEjected { return "ejected" }
        if failsCheck { return "fails its health check" }
        if isLeaving { return "removed, and kept by its health check" }
        return health.lowercased()
    }
}

/// A value of a JSON document whose fields may be missing.
struct JSON {
    private let value: Any?

    init(_ value: Any?) { self.value = value }

    subscript(key: String) -> JSON { JSON((value as? [String: Any])?[key]) }

    var exists: Bool { value != nil }
    var string: String? { value as? String }
    var bool: Bool { value as? Bool ?? false }
    var array: [JSON]? { (value as? [Any])?.map(JSON.init) }
    /// A number; Envoy writes 64-bit ones as text.
    var number: Double? { value as? Double ?? string.flatMap(Double.init) }
}
