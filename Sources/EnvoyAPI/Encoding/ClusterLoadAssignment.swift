public import Balancing
import CEnvoyAPI
public import XDS

extension EncodedResource {
    /// An assignment as the EDS resource of that name.
    ///
    /// Equal assignments encode to equal bytes.
    public init(_ assignment: Assignment, name: ResourceName) {
        let arena = Arena()
        let localities = assignment.localities.map { message(for: $0, in: arena) }
        let root = arena.make(envoy__config__endpoint__v3__cluster_load_assignment__init) { message in
            message.cluster_name = arena.string(name.rawValue)
            message.n_endpoints = localities.count
            message.endpoints = arena.array(localities)
        }
        self.init(name: name, type: .clusterLoadAssignment, content: encode(root))
    }
}

private func message(
    for entry: Assignment.LocalityEndpoints, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LocalityLbEndpoints> {
    let endpoints = entry.endpoints.map { message(for: $0, in: arena) }
    return arena.make(envoy__config__endpoint__v3__locality_lb_endpoints__init) { message in
        // Present even where it is empty: gRPC refuses an assignment with a locality left out.
        message.locality = entry.locality.message(in: arena)
        message.priority = entry.priority
        message.load_balancing_weight = entry.weight.map { weight($0, in: arena) }
        message.n_lb_endpoints = endpoints.count
        message.lb_endpoints = arena.array(endpoints)
    }
}

private func message(
    for endpoint: Assignment.Endpoint, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LbEndpoint> {
    let socket = arena.make(envoy__config__core__v3__socket_address__init) { message in
        message.address = arena.string(endpoint.address.host.description)
        message.port_specifier_case = ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE
        message.port_value = UInt32(endpoint.address.port)
    }
    let address = arena.make(envoy__config__core__v3__address__init) { message in
        message.address_case = ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS
        message.socket_address = socket
    }
    let target = arena.make(envoy__config__endpoint__v3__endpoint__init) { $0.address = address }
    return arena.make(envoy__config__endpoint__v3__lb_endpoint__init) { message in
        message.host_identifier_case = ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT
        message.endpoint = target
        message.load_balancing_weight = weight(endpoint.weight, in: arena)
        message.health_status =
            switch endpoint.health {
            case .healthy: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__HEALTHY
            case .draining: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING
            case .unhealthy: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__UNHEALTHY
            }
    }
}

private func weight(_ value: UInt32, in arena: Arena) -> UnsafeMutablePointer<Google__Protobuf__UInt32Value> {
    arena.make(google__protobuf__uint32_value__init) { $0.value = value }
}
