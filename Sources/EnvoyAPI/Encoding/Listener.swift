import CEnvoyAPI
import Model
import XDS

/// An internal Envoy listener on the way to a remote cluster's gateways; it forwards to the Envoy cluster of the same name.
public struct GatewayListener: Hashable, Sendable {
    /// How it forwards a connection's bytes.
    public enum Forwarding: Hashable, Sendable {
        /// As they are, to a gateway.
        case bytes
        /// Through a CONNECT to a pod, whose authority is the `endpoint_id` of the endpoint.
        case tunnelToPod
        /// Through a CONNECT to a gateway, with the authority that `tunnelToPod` noted.
        case tunnelToGateway
    }

    /// The name of the listener and of the Envoy cluster.
    public var name: String
    /// How it forwards.
    public var forwarding: Forwarding

    /// How many gateways are tried, one after the other.
    ///
    /// Constant, whatever the number of gateways: when a listener changes, Envoy closes the old one's connections after
    /// its drain time.
    static let attempts: UInt32 = 5

    /// The key of the filter state that has the pod's authority.
    static let authorityKey = "ballast.authority"

    /// Creates a listener.
    public init(_ name: String, _ forwarding: Forwarding = .bytes) {
        self.name = name
        self.forwarding = forwarding
    }

    /// The authority of the CONNECT, as Envoy's operators; nil without one.
    fileprivate var authority: String? {
        switch forwarding {
        case .bytes: nil
        case .tunnelToPod: "%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%"
        case .tunnelToGateway: "%FILTER_STATE(\(Self.authorityKey):PLAIN)%"
        }
    }
}

private typealias Filter = UnsafeMutablePointer<Envoy__Config__Listener__V3__Filter>

extension EncodedResource {
    /// Encodes a listener as an LDS resource.
    public init(_ listener: GatewayListener) {
        let arena = Arena()
        let filters =
            (listener.forwarding == .tunnelToPod ? [noteAuthority(in: arena)] : []) + [listener.proxy(in: arena)]
        let chain = arena.make(envoy__config__listener__v3__filter_chain__init) { message in
            message.n_filters = filters.count
            message.filters = arena.array(filters)
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

private func filter<Message>(
    _ name: String, _ type: String, _ message: UnsafeMutablePointer<Message>, in arena: Arena
) -> Filter {
    arena.make(envoy__config__listener__v3__filter__init) { filter in
        filter.name = arena.string(name)
        filter.config_type_case = ENVOY__CONFIG__LISTENER__V3__FILTER__CONFIG_TYPE_TYPED_CONFIG
        filter.typed_config = arena.any(type, message)
    }
}

/// Notes the endpoint's authority, for the connections that this one causes; different ones are not pooled together.
private func noteAuthority(in arena: Arena) -> Filter {
    let format = arena.make(envoy__config__core__v3__substitution_format_string__init) { message in
        message.format_case = ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_TEXT_FORMAT_SOURCE
        message.text_format_source = arena.make(envoy__config__core__v3__data_source__init) { source in
            source.specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING
            source.inline_string = arena.string("%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%")
        }
    }
    let value = arena.make(
        envoy__extensions__filters__common__set_filter_state__v3__filter_state_value__init
    ) { message in
        message.key_case = ENVOY__EXTENSIONS__FILTERS__COMMON__SET_FILTER_STATE__V3__FILTER_STATE_VALUE__KEY_OBJECT_KEY
        message.object_key = arena.string(GatewayListener.authorityKey)
        message.factory_key = arena.string("envoy.hashable_string")
        message.value_case =
            ENVOY__EXTENSIONS__FILTERS__COMMON__SET_FILTER_STATE__V3__FILTER_STATE_VALUE__VALUE_FORMAT_STRING
        message.format_string = format
        message.shared_with_upstream =
            ENVOY__EXTENSIONS__FILTERS__COMMON__SET_FILTER_STATE__V3__FILTER_STATE_VALUE__SHARED_WITH_UPSTREAM__ONCE
    }
    let config = arena.make(envoy__extensions__filters__network__set_filter_state__v3__config__init) { message in
        message.n_on_new_connection = 1
        message.on_new_connection = arena.array([value])
    }
    return filter(
        "envoy.filters.network.set_filter_state", "envoy.extensions.filters.network.set_filter_state.v3.Config", config,
        in: arena)
}

extension GatewayListener {
    fileprivate func proxy(in arena: Arena) -> UnsafeMutablePointer<Envoy__Config__Listener__V3__Filter> {
        let proxy = arena.make(envoy__extensions__filters__network__tcp_proxy__v3__tcp_proxy__init) { message in
            message.stat_prefix = arena.string(name)
            message.cluster_specifier_case =
                ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_CLUSTER
            message.cluster = arena.string(name)
            message.max_connect_attempts = arena.number(Self.attempts)
            message.tunneling_config = authority.map { authority in
                arena.make(
                    envoy__extensions__filters__network__tcp_proxy__v3__tcp_proxy__tunneling_config__init
                ) { $0.hostname = arena.string(authority) }
            }
        }
        return filter(
            "envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", proxy,
            in: arena)
    }
}
