import Foundation
public import Model

/// An ambient east-west gateway: it ends CONNECT requests over mutual TLS, and passes what is in them to a pod's ztunnel,
/// which the request's authority selects.
///
/// What istiod would push comes from files here. It stands in for Istio's gateway; no ztunnel of Istio was tried.
public struct AmbientGateway: Sendable {
    /// ztunnel's port, and the gateway's.
    public static let port: UInt16 = 15_008

    private let bench: Bench
    private let number: Int

    /// Creates a gateway; `number` is the last byte of its address.
    public init(_ bench: Bench, at number: Int) {
        self.bench = bench
        self.number = number
    }

    /// Its address.
    public var address: String { "\(bench.network)\(number):\(Self.port)" }

    /// Its admin interface.
    public var admin: EnvoyAdmin { bench.gateway(at: number) }

    /// Starts its Envoy with these authorities, and the pods behind each.
    public func start(_ routes: [String: [SocketAddress]]) async throws {
        try configure(routes)
        try await bench.startEnvoy("ambient-gateway-\(number)", bootstrap, admin, concurrency: 2)
    }

    /// Changes the authorities.
    public func configure(_ routes: [String: [SocketAddress]]) throws {
        let sorted = routes.sorted { $0.key < $1.key }
        let clusters = sorted.map { authority, pods in
            "  - \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\n"
                + HBONE.cluster(authority, pods.map { SocketAddress(host: $0.host, port: Self.port) })
                .replacing("  - name", with: "    name")
        }
        try bench.write(
            "resources:\(clusters.isEmpty ? " []" : "")\n\(clusters.joined())", to: "ambient-\(number)-cds.yaml")
        try bench.write(
            """
            resources:
            - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
              name: hbone
              virtual_hosts: [\(sorted.map { HBONE.virtualHost($0.key, to: $0.key) }.joined(separator: ",\n"))]

            """, to: "ambient-\(number)-rds.yaml")
    }

    private var bootstrap: String {
        """
        node: {id: ambient-gateway-\(number), cluster: istio-eastwestgateway}
        admin: {address: {socket_address: {address: \(bench.network)\(number), port_value: 9902}}}
        dynamic_resources:
          cds_config: {resource_api_version: V3, path_config_source: {path: ./ambient-\(number)-cds.yaml}}
        static_resources:
          listeners:
        \(HBONE.listener("hbone", at: "\(bench.network)\(number)", certificate: "gateway", routes: nil)
            .replacing("$RDS", with: "./ambient-\(number)-rds.yaml"))

        """
    }
}

/// Parts of Envoys that end tunnels.
enum HBONE {
    /// A listener that ends CONNECT requests.
    ///
    /// - Parameter routes: the authorities and their Envoy clusters; nil to read them from the file `$RDS`.
    static func listener(
        _ name: String, at host: String, certificate: String, routes: [(authority: String, cluster: String)]?
    ) -> String {
        let source =
            routes.map { routes in
                "route_config: {virtual_hosts: [\(routes.map { virtualHost($0.authority, to: $0.cluster) }.joined(separator: ", "))]}"
            }
            ?? "rds: {route_config_name: hbone, config_source: {resource_api_version: V3, path_config_source: {path: $RDS}}}"
        return """
              - name: \(name)
                address: {socket_address: {address: \(host), port_value: \(AmbientGateway.port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: \(name)
                      http2_protocol_options: {allow_connect: true, max_concurrent_streams: 100}
                      upgrade_configs: [{upgrade_type: CONNECT}]
                      \(source)
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                  transport_socket:
                    name: envoy.transport_sockets.tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      require_client_certificate: true
                      common_tls_context:
                        alpn_protocols: [h2]
                        tls_certificates: [{certificate_chain: {filename: certs/\(certificate).crt}, private_key: {filename: certs/\(certificate).key}}]
                        validation_context:
                          trusted_ca: {filename: certs/ca.crt}
                          match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: "spiffe://mesh.example/client"}}]
            """
    }

    static func virtualHost(_ authority: String, to cluster: String) -> String {
        """
        {name: "\(authority)", domains: ["\(authority)"], routes: [{match: {connect_matcher: {}}, route: {cluster: "\(cluster)", \
        upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}]}
        """
    }

    static func cluster(_ name: String, _ endpoints: [SocketAddress]) -> String {
        let list = endpoints.map {
            "{endpoint: {address: {socket_address: {address: \"\($0.host)\", port_value: \($0.port)}}}}"
        }
        return """
              - name: "\(name)"
                type: STATIC
                lb_policy: LEAST_REQUEST
                load_assignment: {cluster_name: "\(name)", endpoints: [{lb_endpoints: [\(list.joined(separator: ", "))]}]}

            """
    }
}
