public import Balancing
import CEnvoyAPI
public import XDS

/// A listener inside an Envoy that leads to a remote cluster's gateways, through the Envoy cluster of its own name.
public struct GatewayListener: Hashable, Sendable {
    /// Its name, and the Envoy cluster's.
    public var name: String

    /// How many gateways are tried, one after the other.
    ///
    /// The same whatever their number: an Envoy whose listener changes ends the connections of the old one when its
    /// drain time is over.
    static let attempts: UInt32 = 5

    /// The listener to a cluster's gateways.
    public init(to cluster: Cluster) { name = cluster.gatewayListener }
}

extension EncodedResource {
    /// The listener that a gRPC client asks for by the name it calls: everything goes to the cluster of that name.
    public init(proxylessListener name: ResourceName) {
        let arena = Arena()
        let target = arena.string(name.rawValue)
        let route = arena.make(envoy__config__route__v3__route__init) { route in
            route.match = arena.make(envoy__config__route__v3__route_match__init) { match in
                match.path_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX
                match.prefix = arena.string("")
            }
            route.action_case = ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE
            route.route = arena.make(envoy__config__route__v3__route_action__init) { action in
                action.cluster_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER
                action.cluster = target
            }
        }
        let host = arena.make(envoy__config__route__v3__virtual_host__init) { host in
            host.name = target
            host.n_domains = 1
            host.domains = arena.array([arena.string("*")])
            host.n_routes = 1
            host.routes = arena.array([route])
        }
        let router = arena.make(
            envoy__extensions__filters__network__http_connection_manager__v3__http_filter__init
        ) { filter in
            filter.name = arena.string("envoy.filters.http.router")
            filter.config_type_case =
                ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_FILTER__CONFIG_TYPE_TYPED_CONFIG
            filter.typed_config = arena.any(
                "envoy.extensions.filters.http.router.v3.Router",
                arena.make(envoy__extensions__filters__http__router__v3__router__init) { _ in })
        }
        let manager = arena.make(
            envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__init
        ) { manager in
            manager.route_specifier_case =
                ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_ROUTE_CONFIG
            manager.route_config = arena.make(envoy__config__route__v3__route_configuration__init) { routes in
                routes.name = target
                routes.n_virtual_hosts = 1
                routes.virtual_hosts = arena.array([host])
            }
            manager.n_http_filters = 1
            manager.http_filters = arena.array([router])
        }
        let root = arena.make(envoy__config__listener__v3__listener__init) { message in
            message.name = target
            message.api_listener = arena.make(envoy__config__listener__v3__api_listener__init) { listener in
                listener.api_listener = arena.any(
                    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager)
            }
        }
        self.init(name: name, type: .listener, content: encode(root))
    }

    /// A listener as an LDS resource.
    public init(_ listener: GatewayListener) {
        let arena = Arena()
        let proxy = arena.make(envoy__extensions__filters__network__tcp_proxy__v3__tcp_proxy__init) { message in
            message.stat_prefix = arena.string(listener.name)
            message.cluster_specifier_case =
                ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_CLUSTER
            message.cluster = arena.string(listener.name)
            message.max_connect_attempts = arena.number(GatewayListener.attempts)
        }
        let filter = arena.make(envoy__config__listener__v3__filter__init) { message in
            message.name = arena.string("envoy.filters.network.tcp_proxy")
            message.config_type_case = ENVOY__CONFIG__LISTENER__V3__FILTER__CONFIG_TYPE_TYPED_CONFIG
            message.typed_config = arena.any("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", proxy)
        }
        let chain = arena.make(envoy__config__listener__v3__filter_chain__init) { message in
            message.n_filters = 1
            message.filters = arena.array([filter])
        }
        let root = arena.make(envoy__config__listener__v3__listener__init) { message in
            message.name = arena.string(listener.name)
            message.listener_specifier_case =
                ENVOY__CONFIG__LISTENER__V3__LISTENER__LISTENER_SPECIFIER_INTERNAL_LISTENER
            message.internal_listener = arena.make(
                envoy__config__listener__v3__listener__internal_listener_config__init
            ) { _ in }
            message.n_filter_chains = 1
            message.filter_chains = arena.array([chain])
        }
        self.init(name: ResourceName(rawValue: listener.name), type: .listener, content: encode(root))
    }
}
