import Foundation
import KubernetesClient
import Model

// A Service for one pod, which ambient gateways lead to by its host name: a v1 Service without a selector, and its
// EndpointSlice.

/// A Service as Ballast writes it.
struct PodService: Encodable {
    struct Port: Encodable {
        var name = ServiceEntry.portName
        var port: Int
    }

    struct Spec: Encodable {
        var type = "ClusterIP"
        var ports: [Port]
    }

    var apiVersion = "v1"
    var kind = "Service"
    var metadata: ObjectMetadata
    var spec: Spec
}

/// The EndpointSlice of such a Service (`discovery.k8s.io/v1`), as far as Ballast writes it.
struct PodSlice: KubernetesObject, Encodable {
    struct Reference: Hashable, Codable {
        var kind: String
        var name: String
        var namespace: String?
    }

    struct Conditions: Hashable, Codable {
        var ready: Bool?
    }

    struct Endpoint: Hashable, Codable {
        var addresses: [String]
        var conditions: Conditions?
        var targetRef: Reference?
    }

    struct Port: Hashable, Codable {
        var name: String?
        var port: Int?
        var `protocol`: String?
    }

    struct Content: Hashable {
        var addressType: String
        var endpoints: [Endpoint]
        var ports: [Port]
    }

    var metadata: ObjectMetadata
    var content: Content?

    private enum CodingKeys: String, CodingKey {
        case apiVersion, kind, metadata, addressType, endpoints, ports
    }

    init(metadata: ObjectMetadata, content: Content) {
        self.metadata = metadata
        self.content = content
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(ObjectMetadata.self, forKey: .metadata)
        guard let addressType = try? fields.decode(String.self, forKey: .addressType) else { return }
        content = Content(
            addressType: addressType,
            endpoints: (try? fields.decodeIfPresent([Endpoint].self, forKey: .endpoints)) ?? [],
            ports: (try? fields.decodeIfPresent([Port].self, forKey: .ports)) ?? [])
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode("discovery.k8s.io/v1", forKey: .apiVersion)
        try fields.encode("EndpointSlice", forKey: .kind)
        try fields.encode(metadata, forKey: .metadata)
        try fields.encodeIfPresent(content?.addressType, forKey: .addressType)
        try fields.encodeIfPresent(content?.endpoints, forKey: .endpoints)
        try fields.encodeIfPresent(content?.ports, forKey: .ports)
    }

    /// The address of the only endpoint; nil if there is none, or several.
    var endpoint: SocketAddress? {
        guard let content, let first = content.endpoints.first, content.endpoints.count == 1,
            let host = first.addresses.first.flatMap({ IPAddress($0) }),
            let port = content.ports.first?.port.flatMap(UInt16.init(exactly:))
        else { return nil }
        return SocketAddress(host: host, port: port)
    }
}

extension Resource {
    /// The EndpointSlices that the Ballast of a cluster writes.
    static func podSlices(in namespace: String, of cluster: ClusterName) -> Resource {
        Resource(
            group: "discovery.k8s.io", version: "v1", plural: "endpointslices", namespace: namespace,
            labelSelector: SlotObjects.selector(cluster))
    }

    static func podServices(in namespace: String) -> Resource {
        Resource(group: "", version: "v1", plural: "services", namespace: namespace)
    }
}
