public import Balancing
import CEnvoyAPI
import Model
public import XDS

/// A decoded discovery response, for clients.
public struct DecodedResponse: Hashable, Sendable {
    /// A resource with its type.
    ///
    /// SotW has neither a name nor a version for it.
    public struct Resource: Hashable, Sendable {
        /// The resource name in delta; empty in SotW.
        public var name: String
        /// The resource version in delta; empty in SotW.
        public var version: String
        /// The type URL of `content`.
        public var type: String
        /// The encoded resource.
        public var content: [UInt8]

        /// The name inside the resource: field 1 of all types that Ballast knows.
        ///
        /// Empty if it can't be read.
        public var ownName: String {
            content.withUnsafeBytes { bytes in
                var reader = WireReader(bytes)
                guard case (1, .bytes(let name))? = reader.next() else { return "" }
                return String(decoding: name, as: UTF8.self)
            }
        }
    }

    /// SotW's `version_info`, or delta's `system_version_info`.
    public var version: String
    /// The nonce, which the client repeats in its next request.
    public var nonce: String
    /// The type URL of all resources.
    public var type: String
    /// The identifier of the control plane.
    public var controlPlane: String
    /// The resources, in the order of the message.
    public var resources: [Resource]
    /// Delta: the names of resources that don't exist, or no longer exist.
    public var removed: [String]
    /// SotW: the names of resources that can't be sent, and why.
    public var errors: [String: String]

    /// Decodes a response of the given variant.
    public init(_ bytes: [UInt8], _ variant: Variant) throws(DecodingFailure) {
        switch variant {
        case .sotw:
            self = try withDecoded(
                bytes, Envoy__Service__Discovery__V3__DiscoveryResponse.self,
                envoy__service__discovery__v3__discovery_response__descriptor
            ) { DecodedResponse($0) }
        case .delta:
            self = try withDecoded(
                bytes, Envoy__Service__Discovery__V3__DeltaDiscoveryResponse.self,
                envoy__service__discovery__v3__delta_discovery_response__descriptor
            ) { DecodedResponse($0) }
        }
    }

    private init(_ message: Envoy__Service__Discovery__V3__DiscoveryResponse) {
        version = String(message.version_info)
        nonce = String(message.nonce)
        type = String(message.type_url)
        controlPlane = String(message.control_plane?.pointee.identifier)
        resources = messages(message.resources, message.n_resources).map { any in
            Resource(name: "", version: "", type: String(any.type_url), content: bytes(of: any.value))
        }
        removed = []
        errors = Dictionary(
            messages(message.resource_errors, message.n_resource_errors).map { error in
                (String(error.resource_name?.pointee.name), String(error.error_detail?.pointee.message))
            }, uniquingKeysWith: { $1 })
    }

    private init(_ message: Envoy__Service__Discovery__V3__DeltaDiscoveryResponse) {
        version = String(message.system_version_info)
        nonce = String(message.nonce)
        type = String(message.type_url)
        controlPlane = String(message.control_plane?.pointee.identifier)
        resources = messages(message.resources, message.n_resources).map { resource in
            Resource(
                name: String(resource.name), version: String(resource.version),
                type: String(resource.resource?.pointee.type_url),
                content: resource.resource.map { bytes(of: $0.pointee.value) } ?? []
            )
        }
        removed = strings(message.removed_resources, message.n_removed_resources)
        errors = [:]
    }
}

extension DecodedResponse {
    /// What a client's subscription has to know of it.
    public var summary: ResponseSummary {
        ResponseSummary(
            version: version, nonce: nonce,
            resources: resources.map { resource in
                ResponseSummary.Resource(
                    name: ResourceName(rawValue: resource.name.isEmpty ? resource.ownName : resource.name),
                    version: resource.version)
            }, removed: removed.map(ResourceName.init(rawValue:)))
    }
}

/// A `ClusterLoadAssignment` off the wire.
public struct DecodedAssignment: Hashable, Sendable {
    /// The EDS resource name.
    public var name: ResourceName
    /// The localities, in the order of the message.
    public var localities: [Assignment.LocalityEndpoints]

    /// Decodes a resource.
    ///
    /// Leaves out endpoints whose address is neither an IP address with a port nor an internal listener.
    public init(_ content: [UInt8]) throws(DecodingFailure) {
        self = try withDecoded(
            content, Envoy__Config__Endpoint__V3__ClusterLoadAssignment.self,
            envoy__config__endpoint__v3__cluster_load_assignment__descriptor
        ) { message in
            DecodedAssignment(
                name: ResourceName(rawValue: String(message.cluster_name)),
                localities: messages(message.endpoints, message.n_endpoints).map { entry in
                    Assignment.LocalityEndpoints(
                        locality: Locality(entry.locality?.pointee),
                        priority: entry.priority, weight: entry.load_balancing_weight?.pointee.value,
                        endpoints: messages(entry.lb_endpoints, entry.n_lb_endpoints).compactMap(endpoint)
                    )
                }
            )
        }
    }

    private init(name: ResourceName, localities: [Assignment.LocalityEndpoints]) {
        self.name = name
        self.localities = localities
    }
}

private func endpoint(_ message: Envoy__Config__Endpoint__V3__LbEndpoint) -> Assignment.Endpoint? {
    guard message.host_identifier_case == ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT,
        let endpoint = message.endpoint?.pointee, let address = Assignment.Endpoint.Address(endpoint.address?.pointee)
    else { return nil }
    let hostname = String(endpoint.hostname)
    let health: Pod.Health =
        switch message.health_status {
        case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING: .draining
        case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__UNHEALTHY: .unhealthy
        default: .healthy
        }
    return Assignment.Endpoint(
        address: address, hostname: hostname.isEmpty ? nil : hostname, proxy: proxy(in: message.metadata?.pointee),
        weight: message.load_balancing_weight?.pointee.value ?? 1, health: health
    )
}

extension Assignment.Endpoint.Address {
    /// Nil if the address is neither an IP address with a port nor an internal listener.
    init?(_ address: Envoy__Config__Core__V3__Address?) {
        switch address?.address_case {
        case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS:
            guard let socket = address?.socket_address?.pointee, let host = IPAddress(String(socket.address)),
                let port = UInt16(exactly: socket.port_value)
            else { return nil }
            self = .socket(SocketAddress(host: host, port: port))
        case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_ENVOY_INTERNAL_ADDRESS:
            guard let listener = address?.envoy_internal_address?.pointee else { return nil }
            self = .listener(String(listener.server_listener_name), id: String(listener.endpoint_id))
        default: return nil
        }
    }
}

extension Locality {
    init(_ message: Envoy__Config__Core__V3__Locality?) {
        self.init(
            region: String(message?.region), zone: String(message?.zone), subZone: String(message?.sub_zone)
        )
    }
}

private func proxy(in metadata: Envoy__Config__Core__V3__Metadata?) -> SocketAddress? {
    for entry in messages(metadata?.typed_filter_metadata, metadata?.n_typed_filter_metadata ?? 0)
    where String(entry.key) == proxyMetadataKey {
        let content = entry.value.map { bytes(of: $0.pointee.value) } ?? []
        let decoded = try? withDecoded(
            content, Envoy__Config__Core__V3__Address.self, envoy__config__core__v3__address__descriptor
        ) { Assignment.Endpoint.Address($0) }
        if case .socket(let proxy) = decoded { return proxy }
    }
    return nil
}

private func bytes(of data: ProtobufCBinaryData) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
}
