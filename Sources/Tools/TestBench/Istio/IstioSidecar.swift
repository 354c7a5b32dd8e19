import Foundation
import Yams

/// A sidecar: the clusters and listeners that istiod would send it, and what EnvoyFilters make of them.
///
/// Its Envoy gets them from files. The names in the comments are functions of Istio's pilot.
public struct IstioSidecar {
    private typealias Object = [String: Any]

    /// istiod's name of the service's cluster.
    public static let service = "outbound|8000||httpbin.httpbin.svc.cluster.local"
    /// istiod's name of the cluster of Ballast's own Service.
    public static let ballast = "outbound|18000||ballast.ballast.svc.cluster.local"

    private var clusters: [Object]
    private var listeners: [Object] = []
    private let bench: Bench

    /// Creates a sidecar as istiod has it.
    ///
    /// Endpoints come by ADS, for which Envoy waits without an end (`buildDefaultCluster`). Endpoints with `tlsMode: istio`
    /// get mutual TLS (`buildAutoMtlsSettings`). Istio's retries are missing, so that each failure shows.
    public init(_ bench: Bench, _ upstream: Bench.UpstreamProtocol = .http2) throws {
        self.bench = bench
        let (alpn, http) =
            upstream == .http1
            ? ("istio-http/1.1, istio, http/1.1", "http_protocol_options")
            : ("istio-h2, istio, h2", "http2_protocol_options")
        let text = """
            - name: "\(Self.service)"
              type: EDS
              connect_timeout: 10s
              lb_policy: LEAST_REQUEST
              eds_cluster_config:
                service_name: "\(Self.service)"
                eds_config: {ads: {}, initial_fetch_timeout: 0s, resource_api_version: V3}
              transport_socket_matches:
              - name: tlsMode-istio
                match: {tlsMode: istio}
                transport_socket:
                  name: envoy.transport_sockets.tls
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                    sni: \(Certificates.serviceName)
                    common_tls_context:
                      alpn_protocols: [\(alpn)]
                      tls_certificates: [{certificate_chain: {filename: certs/client.crt}, private_key: {filename: certs/client.key}}]
                      combined_validation_context:
                        default_validation_context:
                          match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: "spiffe://mesh.example/httpbin"}}]
                        validation_context_sds_secret_config:
                          name: ROOTCA
                          sds_config: {resource_api_version: V3, path_config_source: {path: ./root-ca.yaml}}
              - name: tlsMode-disabled
                match: {}
                transport_socket:
                  name: envoy.transport_sockets.raw_buffer
                  typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}
              typed_extension_protocol_options:
                envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                  "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                  explicit_http_config: {\(http): {}}
            - name: "\(Self.ballast)"
              type: STATIC
              typed_extension_protocol_options:
                envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                  "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                  explicit_http_config: {http2_protocol_options: {}}
              load_assignment:
                cluster_name: "\(Self.ballast)"
                endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: \(bench.host), port_value: \(Bench.xdsPort)}}}}]}]
            """
        clusters = try Self.required(try Yams.load(yaml: text))
    }

    /// Applies an EnvoyFilter of the examples, as istiod does.
    ///
    /// - Parameter gateway: the last byte of the address of west's.
    public mutating func apply(_ file: String, gateway: Int = 1) throws {
        // Each file has some of these addresses.
        let text = try bench.template("istio/\(file)")
            .replacing("dns:///ballast.ballast.svc.cluster.local:", with: "\(bench.host):")
            .replacing(
                "eastwest.west.example, port_value: 15443", with: "\(bench.network)\(gateway), port_value: 15443")
        let filter = try Self.required(try Yams.load(yaml: text)) as Object
        let spec = try Self.required(filter["spec"]) as Object
        for entry in try Self.required(spec["configPatches"]) as [Object] {
            let patch = try Self.required(entry["patch"]) as Object
            let value = try Self.required(patch["value"]) as Object
            switch (try Self.required(entry["applyTo"]) as String, try Self.required(patch["operation"]) as String) {
            case ("CLUSTER", "ADD"): clusters.append(value)
            case ("LISTENER", "ADD"): listeners.append(value)
            case ("CLUSTER", "MERGE"):
                let match = try Self.required((entry["match"] as? Object)?["cluster"]) as Object
                let index =
                    try Self.required(
                        clusters.firstIndex { $0["name"] as? String == match["name"] as? String }) as Int
                clusters[index] = try Self.merge(value, into: clusters[index])
            case (let place, let operation): throw BenchError("\(file): \(operation) of \(place)")
            }
        }
    }

    /// istiod merges a patch with `transport_socket` into the first match of that name, and nowhere else; the other member
    /// of a oneof goes.
    private static func merge(_ patch: Object, into cluster: Object) throws -> Object {
        guard let socket = patch["transport_socket"] as? Object else { return deepMerge(patch, into: cluster) }
        var cluster = cluster
        var matches = try Self.required(cluster["transport_socket_matches"]) as [Object]
        let index =
            try required(
                matches.firstIndex {
                    ($0["transport_socket"] as? Object)?["name"] as? String == socket["name"] as? String
                })
            as Int
        matches[index] = deepMerge(["transport_socket": socket], into: matches[index])
        cluster["transport_socket_matches"] = matches
        return cluster
    }

    private static func deepMerge(_ patch: Object, into base: Object) -> Object {
        var result = base
        if patch["api_config_source"] != nil { result["ads"] = nil }
        for (key, value) in patch {
            if let value = value as? Object, let known = result[key] as? Object {
                result[key] = deepMerge(value, into: known)
            } else if let value = value as? [Any], let known = result[key] as? [Any] {
                // Repeated fields of protobuf are appended.
                result[key] = known + value
            } else {
                result[key] = value
            }
        }
        return result
    }

    /// The sidecar's bootstrap; clusters and listeners come dynamically, from files.
    public func write() throws -> String {
        let resources = { (objects: [Object], type: String) in
            try Yams.dump(object: [
                "resources": objects.map { $0.merging(["@type": "type.googleapis.com/envoy.config.\(type)"]) { $1 } }
            ])
        }
        try bench.write(
            """
            resources:
            - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
              name: ROOTCA
              validation_context: {trusted_ca: {filename: certs/ca.crt}}

            """, to: "root-ca.yaml")
        try bench.write(resources(clusters, "cluster.v3.Cluster"), to: "cds.yaml")
        try bench.write(resources(listeners, "listener.v3.Listener"), to: "lds.yaml")
        return """
            node: {id: sidecar, cluster: sleep, metadata: {cluster: east, lanes: true}}
            admin: {address: {socket_address: {address: \(bench.host), port_value: 9901}}}
            bootstrap_extensions:
            - name: envoy.bootstrap.internal_listener
              typed_config: {"@type": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}
            dynamic_resources:
              cds_config: {resource_api_version: V3, path_config_source: {path: ./cds.yaml}}
              lds_config: {resource_api_version: V3, path_config_source: {path: ./lds.yaml}}
            static_resources:
              listeners:
              - name: http
                address: {socket_address: {address: \(bench.host), port_value: \(Bench.clientPort)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: http
                      route_config:
                        validate_clusters: false
                        virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: "\(Self.service)"}}]}]
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}

            """
    }

    /// Limits the requests of each connection, as `connectionPool.http.maxRequestsPerConnection` of a DestinationRule does.
    public mutating func limit(requestsPerConnection: Int) throws {
        let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        var all = try Self.required(clusters[0]["typed_extension_protocol_options"]) as Object
        var options = try Self.required(all[key]) as Object
        options["common_http_protocol_options"] = ["max_requests_per_connection": requestsPerConnection]
        all[key] = options
        clusters[0]["typed_extension_protocol_options"] = all
    }

    /// Sets a field of the service's cluster, as a DestinationRule would.
    public mutating func set(_ field: String, _ value: String) { clusters[0][field] = value }

    private static func required<Value>(_ value: Any?) throws -> Value {
        guard let value = value as? Value else { throw BenchError("an EnvoyFilter has another form") }
        return value
    }
}
