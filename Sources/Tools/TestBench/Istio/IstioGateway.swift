import Foundation
public import Model

/// An east-west gateway of Istio: an Envoy that takes filter chains, clusters and endpoints as istiod makes them for an
/// AUTO_PASSTHROUGH server, with a chain and a cluster for each SNI.
///
/// What istiod would push comes from files here. The names in the comments are functions of Istio's pilot.
public struct IstioGateway: Sendable {
    private let bench: Bench
    private let number: Int

    /// Creates a gateway; `number` is the last byte of its address.
    public init(_ bench: Bench, at number: Int) {
        self.bench = bench
        self.number = number
    }

    /// Its address.
    public var address: String { "\(bench.network)\(number):15443" }

    /// Its admin interface.
    public var admin: EnvoyAdmin { bench.gateway(at: number) }

    /// Starts its Envoy with these SNIs, and the endpoints behind each.
    public func start(_ routes: [String: [SocketAddress]]) async throws {
        try configure(routes)
        try await bench.startEnvoy("istio-gateway-\(number)", bootstrap, admin, concurrency: 2)
    }

    /// Changes the SNIs: endpoints and clusters first, then filter chains, in the order of ADS.
    public func configure(_ routes: [String: [SocketAddress]]) throws {
        for (sni, endpoints) in routes { try bench.write(assignment(sni, endpoints), to: file("eds-\(sni)")) }
        let names = routes.keys.sorted()
        try bench.write(resources("cluster.v3.Cluster", names.map(cluster)), to: file("cds"))
        try bench.write(resources("listener.v3.Listener", [listener(names)]), to: file("lds"))
    }

    /// Changes the endpoints behind one SNI, of which istiod makes an EDS push.
    public func route(_ sni: String, to endpoints: [SocketAddress]) throws {
        try bench.write(assignment(sni, endpoints), to: file("eds-\(sni)"))
    }

    /// The SNI of a subset of a service, or of the service itself (`BuildDNSSrvSubsetKey`).
    public static func sni(_ host: String, port: Int = 8000, subset: String? = nil) -> String {
        "outbound_.\(port)_.\(subset ?? "")_.\(host)"
    }

    private func file(_ name: String) -> String { "istio-gateway-\(number)-\(name).yaml" }

    private var bootstrap: String {
        """
        node: {id: istio-gateway-\(number), cluster: istio-eastwestgateway}
        admin: {address: {socket_address: {address: \(bench.network)\(number), port_value: 9902}}}
        dynamic_resources:
          cds_config: {resource_api_version: V3, path_config_source: {path: ./\(file("cds"))}}
          lds_config: {resource_api_version: V3, path_config_source: {path: ./\(file("lds"))}}

        """
    }

    private func resources(_ type: String, _ items: [String]) -> String {
        "resources:\(items.isEmpty ? " []" : "")\n"
            + items.map { "- \"@type\": type.googleapis.com/envoy.config.\(type)\n\($0)" }.joined()
    }

    /// `buildOutboundSniDnatClusters`: EDS, and no TLS of its own.
    private func cluster(_ sni: String) -> String {
        """
          name: "\(sni)"
          type: EDS
          connect_timeout: 10s
          lb_policy: LEAST_REQUEST
          eds_cluster_config:
            service_name: "\(sni)"
            eds_config: {resource_api_version: V3, path_config_source: {path: "./\(file("eds-\(sni)"))"}}

        """
    }

    private func assignment(_ sni: String, _ endpoints: [SocketAddress]) -> String {
        let list = endpoints.map {
            "{endpoint: {address: {socket_address: {address: \"\($0.host)\", port_value: \($0.port)}}}}"
        }
        return """
            resources:
            - "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
              cluster_name: "\(sni)"
              endpoints: [{lb_endpoints: [\(list.joined(separator: ", "))]}]

            """
    }

    /// `builtAutoPassthroughFilterChains`: an SNI and Istio's protocols select a chain, which leads to the SNI's cluster.
    private func listener(_ names: [String]) -> String {
        let chains = names.map { sni in
            """
              - name: "\(sni)"
                filter_chain_match:
                  server_names: ["\(sni)"]
                  application_protocols: [istio, istio-peer-exchange, istio-http/1.0, istio-http/1.1, istio-h2]
                filters:
                - name: envoy.filters.network.sni_cluster
                  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.sni_cluster.v3.SniCluster}
                - name: envoy.filters.network.tcp_proxy
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                    stat_prefix: BlackHoleCluster
                    cluster: BlackHoleCluster

            """
        }
        return """
              name: 0.0.0.0_15443
              address: {socket_address: {address: \(bench.network)\(number), port_value: 15443}}
              listener_filters:
              - name: envoy.filters.listener.tls_inspector
                typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
              filter_chains:

            """ + chains.joined()
    }
}
