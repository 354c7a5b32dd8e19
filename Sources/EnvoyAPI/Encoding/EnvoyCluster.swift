public import Balancing
import CEnvoyAPI
public import Model
public import XDS

/// The kinds of Envoy clusters that Ballast serves.
public enum EnvoyCluster: Hashable, Sendable {
    /// A service, for its clients; its endpoints come by EDS under the same name.
    case service(Service, through: Ways = [])
    /// A service, for gRPC clients: only the fields that gRPC reads.
    ///
    /// TLS is configured in the gRPC channel.
    case proxyless
    /// A remote cluster's gateways, for clients; drained ones get no new connections.
    ///
    /// With TLS, they accept tunnels: HTTP/2 CONNECT requests.
    case gateways([SocketAddress], drained: Set<SocketAddress> = [], tunnelsOver: ClientSettings.TLS? = nil)
    /// What ends tunnels for a remote cluster's pods, through the internal listener that leads to its gateways.
    case tunnels(ClientSettings.TLS, through: String)
    /// All pods of a service, for their own gateway.
    case pods(Assignment)
    /// One pod, for its own gateway.
    case pod(SocketAddress)

    /// Ways to pods that need transport sockets of their own.
    public struct Ways: OptionSet, Hashable, Sendable {
        /// The bits of the ways.
        public let rawValue: UInt8

        /// Creates a set.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// HTTP CONNECT proxies, for which each endpoint names its proxy.
        public static let proxies = Ways(rawValue: 1)
        /// Tunnels that have TLS of their own.
        public static let tunnels = Ways(rawValue: 2)
    }

    /// The limit on connections and on requests of an Envoy cluster on the way to gateways, which all services share.
    ///
    /// Envoy's own is 1,024: a client of some hundred pods with several workers would exceed it.
    static let sharedLimit: UInt32 = 1_000_000
    /// When a tunnel without connections is closed.
    static let idleTunnel = Duration.seconds(60)
}

extension EncodedResource {
    /// Encodes an Envoy cluster as a CDS resource.
    ///
    /// Equal Envoy clusters have equal bytes.
    public init(_ cluster: EnvoyCluster, name: ResourceName) {
        let arena = Arena()
        let root = arena.make(envoy__config__cluster__v3__cluster__init) { message in
            message.name = arena.string(name.rawValue)
            message.cluster_discovery_type_case =
                ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE
            message.connect_timeout = arena.duration(.seconds(5))
            switch cluster {
            case .service(let service, let ways):
                service.describe(&message, name: name.rawValue, through: ways, in: arena)
            case .proxyless:
                message.discoverEndpoints(name: name.rawValue, in: arena)
                message.reportUtilization(in: arena)
                message.lrs_server = arena.make(envoy__config__core__v3__config_source__init) { source in
                    source.resource_api_version = ENVOY__CONFIG__CORE__V3__API_VERSION__V3
                    source.config_source_specifier_case =
                        ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_SELF
                    source.`self` = arena.make(envoy__config__core__v3__self_config_source__init) { _ in }
                }
            case .gateways(let gateways, let drained, let tls):
                message.type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STATIC
                message.load_assignment = fixedHosts(gateways, drained: drained, name: name.rawValue, in: arena)
                // Short, so that a gateway that is gone delays a client little before the next one is tried.
                message.connect_timeout = arena.duration(.seconds(1))
                message.liftLimits(in: arena)
                if let tls { message.carryTunnels(over: transportSocket(tls, sni: nil, in: arena), in: arena) }
            case .tunnels(let tls, let listener):
                message.type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STATIC
                message.load_assignment = fixedHosts(
                    [listenerAddress(listener, id: "", in: arena)], name: name.rawValue, in: arena)
                message.liftLimits(in: arena)
                message.carryTunnels(
                    over: internalUpstream(transportSocket(tls, sni: nil, in: arena), in: arena), in: arena)
            case .pods(let assignment):
                message.type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STATIC
                message.lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__LEAST_REQUEST
                message.load_assignment = assignment.message(name: name.rawValue, in: arena)
            case .pod(let address):
                message.type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STATIC
                message.load_assignment = fixedHosts([address], name: name.rawValue, in: arena)
            }
        }
        self.init(name: name, type: .cluster, content: encode(root))
    }
}

private func fixedHosts(
    _ hosts: [SocketAddress], drained: Set<SocketAddress> = [], name: String, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__ClusterLoadAssignment> {
    let hosts = hosts.sorted()
    let addresses = hosts.map { socketAddress($0.host.description, $0.port, in: arena) }
    return fixedHosts(
        addresses, drained: Set(hosts.indices.filter { drained.contains(hosts[$0]) }), name: name, in: arena)
}

private func fixedHosts(
    _ addresses: [UnsafeMutablePointer<Envoy__Config__Core__V3__Address>], drained: Set<Int> = [], name: String,
    in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__ClusterLoadAssignment> {
    let endpoints = addresses.enumerated().map { index, address in
        let endpoint = arena.make(envoy__config__endpoint__v3__endpoint__init) { $0.address = address }
        return arena.make(envoy__config__endpoint__v3__lb_endpoint__init) { message in
            message.host_identifier_case = ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT
            message.endpoint = endpoint
            if drained.contains(index) { message.health_status = ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING }
        }
    }
    let locality = arena.make(envoy__config__endpoint__v3__locality_lb_endpoints__init) { message in
        message.n_lb_endpoints = endpoints.count
        message.lb_endpoints = arena.array(endpoints)
    }
    return arena.make(envoy__config__endpoint__v3__cluster_load_assignment__init) { message in
        message.cluster_name = arena.string(name)
        message.n_endpoints = 1
        message.endpoints = arena.array([locality])
    }
}

extension Service {
    /// Sets EDS, weighted balancing, and TLS and HTTP from the service's settings.
    fileprivate func describe(
        _ message: inout Envoy__Config__Cluster__V3__Cluster, name: String, through ways: EnvoyCluster.Ways,
        in arena: Arena
    ) {
        message.discoverEndpoints(name: name, in: arena)
        message.reportUtilization(in: arena)
        message.common_lb_config = arena.make(envoy__config__cluster__v3__cluster__common_lb_config__init) { common in
            // Never send traffic to unhealthy pods.
            common.healthy_panic_threshold = arena.make(envoy__type__v3__percent__init) { $0.value = 0 }
            // 0 applies changes at once. By default, a pod that is ejected within a second of a change gets traffic
            // until that second is over; before 1.40 so does a pod that becomes draining or unhealthy (measured;
            // envoy#46302).
            common.update_merge_window = arena.duration(.zero)
            common.locality_config_specifier_case =
                ENVOY__CONFIG__CLUSTER__V3__CLUSTER__COMMON_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_LOCALITY_WEIGHTED_LB_CONFIG
            common.locality_weighted_lb_config = arena.make(
                envoy__config__cluster__v3__cluster__common_lb_config__locality_weighted_lb_config__init
            ) { _ in }
        }
        message.describe(client.policy, in: arena)
        message.outlier_detection = client.outlierDetection.map { $0.message(in: arena) }
        if let check = client.healthCheck {
            message.n_health_checks = 1
            message.health_checks = arena.array([check.message(client.http, in: arena)])
            // Remove a host as soon as EDS does, even if its health checks pass.
            message.ignore_health_on_host_removal = 1
        }
        message.n_typed_extension_protocol_options = 1
        message.typed_extension_protocol_options = arena.array([client.http.message(in: arena)])
        message.transport_socket = transportSocket(throughProxies: ways.contains(.proxies), in: arena)
        guard ways.contains(.tunnels), client.tls != nil else { return }
        let match = arena.make(envoy__config__cluster__v3__cluster__transport_socket_match__init) { match in
            match.name = arena.string("tunnelled")
            match.match = structMessage(EndpointMetadata.tunnelled.values.first ?? [:], in: arena)
            match.transport_socket = rawBuffer(in: arena)
        }
        message.n_transport_socket_matches = 1
        message.transport_socket_matches = arena.array([match])
    }
}

extension Envoy__Config__Cluster__V3__Cluster {
    /// Lifts Envoy's limits on connections and requests.
    fileprivate mutating func liftLimits(in arena: Arena) {
        let limits = arena.make(envoy__config__cluster__v3__circuit_breakers__thresholds__init) { limits in
            limits.max_connections = arena.number(EnvoyCluster.sharedLimit)
            limits.max_pending_requests = arena.number(EnvoyCluster.sharedLimit)
            limits.max_requests = arena.number(EnvoyCluster.sharedLimit)
        }
        circuit_breakers = arena.make(envoy__config__cluster__v3__circuit_breakers__init) { message in
            message.n_thresholds = 1
            message.thresholds = arena.array([limits])
        }
    }

    /// Sets HTTP/2 over a transport socket.
    fileprivate mutating func carryTunnels(
        over socket: UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket>, in arena: Arena
    ) {
        transport_socket = socket
        n_typed_extension_protocol_options = 1
        typed_extension_protocol_options = arena.array([
            ClientSettings.HTTPVersion.http2.message(idle: EnvoyCluster.idleTunnel, in: arena)
        ])
    }
}

extension Envoy__Config__Cluster__V3__Cluster {
    /// Makes clients report the utilisation that pods report (ORCA).
    fileprivate mutating func reportUtilization(in arena: Arena) {
        let names = ["application_utilization", "cpu_utilization"].map { arena.string($0) }
        n_lrs_report_endpoint_metrics = names.count
        lrs_report_endpoint_metrics = arena.array(names)
    }

    /// Sets EDS over the ADS stream that the Envoy cluster came by.
    fileprivate mutating func discoverEndpoints(name: String, in arena: Arena) {
        type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS
        eds_cluster_config = arena.make(envoy__config__cluster__v3__cluster__eds_cluster_config__init) { eds in
            eds.service_name = arena.string(name)
            eds.eds_config = aggregatedSource(in: arena)
        }
    }

    fileprivate mutating func describe(_ policy: ClientSettings.Policy, in arena: Arena) {
        switch policy {
        case .roundRobin: lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__ROUND_ROBIN
        case .random: lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RANDOM
        case .ringHash: lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RING_HASH
        case .maglev: lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__MAGLEV
        case .leastRequest:
            lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__LEAST_REQUEST
            lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_LEAST_REQUEST_LB_CONFIG
            // Without this, the effective weights would depend on the requests in flight.
            least_request_lb_config = arena.make(envoy__config__cluster__v3__cluster__least_request_lb_config__init) {
                $0.active_request_bias = arena.make(envoy__config__core__v3__runtime_double__init) { bias in
                    bias.default_value = 0
                    bias.runtime_key = arena.string("ballast.active_request_bias")
                }
            }
        }
    }
}

extension ClientSettings.OutlierDetection {
    fileprivate func message(
        in arena: Arena
    ) -> UnsafeMutablePointer<Envoy__Config__Cluster__V3__OutlierDetection> {
        arena.make(envoy__config__cluster__v3__outlier_detection__init) { message in
            message.consecutive_5xx = arena.number(consecutive5xx)
            message.interval = arena.duration(interval)
            message.base_ejection_time = arena.duration(ejectionTime)
            message.max_ejection_percent = arena.number(maxEjectionPercent)
        }
    }
}

extension ClientSettings.HealthCheck {
    fileprivate func message(
        _ http: ClientSettings.HTTPVersion, in arena: Arena
    ) -> UnsafeMutablePointer<Envoy__Config__Core__V3__HealthCheck> {
        arena.make(envoy__config__core__v3__health_check__init) { message in
            message.timeout = arena.duration(timeout)
            message.interval = arena.duration(interval)
            message.no_traffic_interval = arena.duration(interval)
            message.unhealthy_threshold = arena.number(2)
            message.healthy_threshold = arena.number(1)
            message.health_checker_case = ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK
            message.http_health_check = arena.make(
                envoy__config__core__v3__health_check__http_health_check__init
            ) { get in
                get.path = arena.string(path)
                get.codec_client_type =
                    http == .http1
                    ? ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP1 : ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP2
            }
        }
    }
}

extension ClientSettings.HTTPVersion {
    /// - Parameter idle: when a connection without requests is closed; nil for Envoy's default.
    fileprivate func message(
        idle: Duration? = nil, in arena: Arena
    ) -> UnsafeMutablePointer<Envoy__Config__Cluster__V3__Cluster__TypedExtensionProtocolOptionsEntry> {
        let version = arena.make(
            envoy__extensions__upstreams__http__v3__http_protocol_options__explicit_http_config__init
        ) { version in
            switch self {
            case .http1:
                version.protocol_config_case =
                    ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP_PROTOCOL_OPTIONS
                version.http_protocol_options = arena.make(envoy__config__core__v3__http1_protocol_options__init) { _ in
                }
            case .http2:
                version.protocol_config_case =
                    ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP2_PROTOCOL_OPTIONS
                version.http2_protocol_options = arena.make(envoy__config__core__v3__http2_protocol_options__init) {
                    _ in
                }
            }
        }
        let options = arena.make(envoy__extensions__upstreams__http__v3__http_protocol_options__init) { options in
            options.upstream_protocol_options_case =
                ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_EXPLICIT_HTTP_CONFIG
            options.explicit_http_config = version
            options.common_http_protocol_options = idle.map { idle in
                arena.make(envoy__config__core__v3__http_protocol_options__init) {
                    $0.idle_timeout = arena.duration(idle)
                }
            }
        }
        return arena.make(envoy__config__cluster__v3__cluster__typed_extension_protocol_options_entry__init) { entry in
            entry.key = arena.string("envoy.extensions.upstreams.http.v3.HttpProtocolOptions")
            entry.value = arena.any("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", options)
        }
    }
}
