import CEnvoyAPI
public import Model
import XDS

/// An internal Envoy listener that forwards to a remote cluster's gateways, through the Envoy cluster of the same name.
public struct GatewayListener: Hashable, Sendable {
    /// The name of the listener and of the Envoy cluster.
    public var name: String

    /// How many gateways are tried, one after the other.
    ///
    /// Constant, whatever the number of gateways: when a listener changes, Envoy closes the old one's connections after
    /// its drain time.
    static let attempts: UInt32 = 5

    /// Creates the listener for a cluster's gateways.
    public init(to cluster: Cluster) { name = cluster.name.gatewayListener }
}

extension EncodedResource {
    /// Encodes a listener as an LDS resource.
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
