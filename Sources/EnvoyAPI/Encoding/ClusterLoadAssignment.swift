public import Balancing
import CEnvoyAPI
public import Model
public import XDS

extension EncodedResource {
    /// Encodes an assignment as an EDS resource.
    ///
    /// Equal assignments have equal bytes.
    public init(_ assignment: Assignment, name: ResourceName) {
        let arena = Arena()
        self.init(
            name: name, type: .clusterLoadAssignment,
            content: encode(assignment.message(name: name.rawValue, in: arena)))
    }

    /// Encodes localities as an EDS resource whose endpoints are in LEDS collections.
    public init(
        _ localities: [Assignment.LocalityEndpoints], name: ResourceName,
        collection: (Assignment.LocalityEndpoints) -> ResourceName
    ) {
        let arena = Arena()
        let entries = localities.map { message(for: $0, metadata: [:], collection: collection($0), in: arena) }
        self.init(
            name: name, type: .clusterLoadAssignment,
            content: encode(assignmentMessage(entries, name: name.rawValue, in: arena)))
    }

    /// Encodes an endpoint as a LEDS resource.
    public init(_ endpoint: Assignment.Endpoint, metadata: EndpointMetadata, name: ResourceName) {
        let arena = Arena()
        self.init(
            name: name, type: .endpoint, content: encode(message(for: endpoint, metadata: metadata, in: arena)))
    }

    /// Encodes an EDS resource without endpoints.
    public init(vacantAssignment name: ResourceName) {
        self.init(Assignment.vacant, name: name)
    }
}

extension Assignment {
    func message(
        name: String, in arena: Arena
    ) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__ClusterLoadAssignment> {
        let entries = localities.map {
            EnvoyAPI.message(for: $0, metadata: metadata, collection: nil, in: arena)
        }
        return assignmentMessage(entries, name: name, in: arena)
    }
}

private func assignmentMessage(
    _ localities: [UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LocalityLbEndpoints>], name: String,
    in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__ClusterLoadAssignment> {
    arena.make(envoy__config__endpoint__v3__cluster_load_assignment__init) { message in
        message.cluster_name = arena.string(name)
        message.n_endpoints = localities.count
        message.endpoints = arena.array(localities)
    }
}

private func message(
    for entry: Assignment.LocalityEndpoints, metadata: EndpointMetadata, collection: ResourceName?,
    in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LocalityLbEndpoints> {
    let endpoints = collection == nil ? entry.endpoints.map { message(for: $0, metadata: metadata, in: arena) } : []
    return arena.make(envoy__config__endpoint__v3__locality_lb_endpoints__init) { message in
        // Set even if empty: gRPC refuses an assignment without a locality.
        message.locality = entry.locality.message(in: arena)
        message.priority = entry.priority
        message.load_balancing_weight = entry.weight.map { arena.number($0) }
        message.n_lb_endpoints = endpoints.count
        message.lb_endpoints = arena.array(endpoints)
        if let collection {
            message.lb_config_case =
                ENVOY__CONFIG__ENDPOINT__V3__LOCALITY_LB_ENDPOINTS__LB_CONFIG_LEDS_CLUSTER_LOCALITY_CONFIG
            message.leds_cluster_locality_config = arena.make(
                envoy__config__endpoint__v3__leds_cluster_locality_config__init
            ) { config in
                config.leds_config = aggregatedSource(in: arena)
                config.leds_collection_name = arena.string(collection.rawValue)
            }
        }
    }
}

private func message(
    for endpoint: Assignment.Endpoint, metadata: EndpointMetadata, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LbEndpoint> {
    let target = arena.make(envoy__config__endpoint__v3__endpoint__init) { message in
        message.hostname = arena.string(endpoint.hostname ?? "")
        switch endpoint.address {
        case .socket(let address):
            message.address = socketAddress(address.host.description, address.port, in: arena)
        case .listener(let listener, let id):
            message.address = listenerAddress(listener, id: id, in: arena)
            // Envoy's health checker can't reach internal listeners, so it would mark all of these endpoints as failed.
            message.health_check_config = arena.make(
                envoy__config__endpoint__v3__endpoint__health_check_config__init
            ) { $0.disable_active_health_check = 1 }
        }
    }
    return arena.make(envoy__config__endpoint__v3__lb_endpoint__init) { message in
        message.metadata = metadataMessage(
            metadata.overridden(by: endpoint.metadata), proxy: endpoint.proxy, in: arena)
        message.host_identifier_case = ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT
        message.endpoint = target
        message.load_balancing_weight = arena.number(endpoint.weight)
        message.health_status =
            switch endpoint.health {
            case .healthy: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__HEALTHY
            case .draining: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING
            case .unhealthy: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__UNHEALTHY
            }
    }
}

/// Encodes a host (an IP address or a DNS name) and a port.
func socketAddress(
    _ host: String, _ port: UInt16, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Address> {
    let socket = arena.make(envoy__config__core__v3__socket_address__init) { message in
        message.address = arena.string(host)
        message.port_specifier_case = ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE
        message.port_value = UInt32(port)
    }
    return arena.make(envoy__config__core__v3__address__init) { message in
        message.address_case = ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS
        message.socket_address = socket
    }
}

func listenerAddress(
    _ listener: String, id: String, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Address> {
    let address = arena.make(envoy__config__core__v3__envoy_internal_address__init) { message in
        message.address_name_specifier_case =
            ENVOY__CONFIG__CORE__V3__ENVOY_INTERNAL_ADDRESS__ADDRESS_NAME_SPECIFIER_SERVER_LISTENER_NAME
        message.server_listener_name = arena.string(listener)
        message.endpoint_id = arena.string(id)
    }
    return arena.make(envoy__config__core__v3__address__init) { message in
        message.address_case = ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_ENVOY_INTERNAL_ADDRESS
        message.envoy_internal_address = address
    }
}

/// Encodes an endpoint's metadata, and the proxy address that the transport socket `http_11_proxy` reads; nil if there
/// is neither.
private func metadataMessage(
    _ metadata: EndpointMetadata, proxy: SocketAddress?, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Metadata>? {
    guard !metadata.isEmpty || proxy != nil else { return nil }
    let filters = metadata.sorted { $0.key < $1.key }.map { filter, values in
        arena.make(envoy__config__core__v3__metadata__filter_metadata_entry__init) { entry in
            entry.key = arena.string(filter)
            entry.value = structMessage(values, in: arena)
        }
    }
    let typed = [proxy].compactMap(\.self).map { proxy in
        arena.make(envoy__config__core__v3__metadata__typed_filter_metadata_entry__init) { entry in
            entry.key = arena.string(proxyMetadataKey)
            entry.value = arena.any(
                "envoy.config.core.v3.Address", socketAddress(proxy.host.description, proxy.port, in: arena))
        }
    }
    return arena.make(envoy__config__core__v3__metadata__init) { message in
        message.n_filter_metadata = filters.count
        message.filter_metadata = arena.array(filters)
        message.n_typed_filter_metadata = typed.count
        message.typed_filter_metadata = arena.array(typed)
    }
}

/// Encodes a dictionary of strings as a `Struct`.
func structMessage(
    _ values: [String: String], in arena: Arena
) -> UnsafeMutablePointer<Google__Protobuf__Struct> {
    let fields = values.sorted { $0.key < $1.key }.map { key, text in
        let value = arena.make(google__protobuf__value__init) { value in
            value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE
            value.string_value = arena.string(text)
        }
        return arena.make(google__protobuf__struct__fields_entry__init) { field in
            field.key = arena.string(key)
            field.value = value
        }
    }
    return arena.make(google__protobuf__struct__init) { message in
        message.n_fields = fields.count
        message.fields = arena.array(fields)
    }
}

let proxyMetadataKey = "envoy.http11_proxy_transport_socket.proxy_address"
