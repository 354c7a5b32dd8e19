import CEnvoyAPI
public import XDS

extension EncodedResource {
    /// Encodes a route configuration that routes everything to the Envoy cluster of the same name.
    public init(routesToCluster name: ResourceName) {
        let arena = Arena()
        let target = arena.string(name.rawValue)
        let route = arena.make(envoy__config__route__v3__route__init) { route in
            route.match = arena.make(envoy__config__route__v3__route_match__init) { match in
                match.path_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX
                match.prefix = arena.string("/")
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
        let root = arena.make(envoy__config__route__v3__route_configuration__init) { routes in
            routes.name = target
            routes.n_virtual_hosts = 1
            routes.virtual_hosts = arena.array([host])
        }
        self.init(name: name, type: .routeConfiguration, content: encode(root))
    }

    /// Encodes the listener that a gRPC client requests by its target name; the route configuration has the same name.
    public init(proxylessListener name: ResourceName) {
        let arena = Arena()
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
                ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_RDS
            manager.rds = arena.make(envoy__extensions__filters__network__http_connection_manager__v3__rds__init) {
                rds in
                rds.config_source = aggregatedSource(in: arena)
                rds.route_config_name = arena.string(name.rawValue)
            }
            manager.n_http_filters = 1
            manager.http_filters = arena.array([router])
        }
        let root = arena.make(envoy__config__listener__v3__listener__init) { message in
            message.name = arena.string(name.rawValue)
            message.api_listener = arena.make(envoy__config__listener__v3__api_listener__init) { listener in
                listener.api_listener = arena.any(
                    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager)
            }
        }
        self.init(name: name, type: .listener, content: encode(root))
    }
}

/// The config source for resources on the same ADS stream.
func aggregatedSource(in arena: Arena) -> UnsafeMutablePointer<Envoy__Config__Core__V3__ConfigSource> {
    arena.make(envoy__config__core__v3__config_source__init) { source in
        source.resource_api_version = ENVOY__CONFIG__CORE__V3__API_VERSION__V3
        source.config_source_specifier_case = ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_ADS
        source.ads = arena.make(envoy__config__core__v3__aggregated_config_source__init) { _ in }
    }
}
