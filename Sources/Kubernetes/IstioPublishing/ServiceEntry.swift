import Foundation
import KubernetesClient
import Model

/// An Istio ServiceEntry, as far as Ballast writes it (`networking.istio.io/v1`).
struct ServiceEntry: KubernetesObject, Encodable {
    struct Port: Hashable, Codable {
        var number: Int
        var name: String
        var `protocol`: String
    }

    struct Endpoint: Hashable, Codable {
        var address: String
        /// The pod's port, by the name of the Service port.
        var ports: [String: Int]?
        var labels: [String: String]?
        var serviceAccount: String?
    }

    struct Spec: Hashable, Codable {
        var hosts: [String]
        var exportTo: [String]?
        var location: String?
        var resolution: String?
        var ports: [Port]?
        var endpoints: [Endpoint]?
    }

    var metadata: ObjectMetadata
    var spec: Spec?

    private enum CodingKeys: String, CodingKey {
        case apiVersion, kind, metadata, spec
    }

    init(metadata: ObjectMetadata, spec: Spec) {
        self.metadata = metadata
        self.spec = spec
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(ObjectMetadata.self, forKey: .metadata)
        // Istio's schema keeps unknown shapes out; an object that can't be read is one that Ballast didn't write.
        spec = try? fields.decode(Spec.self, forKey: .spec)
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode("networking.istio.io/v1", forKey: .apiVersion)
        try fields.encode("ServiceEntry", forKey: .kind)
        try fields.encode(metadata, forKey: .metadata)
        try fields.encode(spec, forKey: .spec)
    }

    /// The address of the only endpoint; nil if there is none, or several.
    var endpoint: SocketAddress? {
        guard let endpoints = spec?.endpoints, let first = endpoints.first, endpoints.count == 1,
            let host = IPAddress(first.address), let port = first.ports?[Self.portName].flatMap(UInt16.init(exactly:))
        else { return nil }
        return SocketAddress(host: host, port: port)
    }

    /// The name of the only port.
    static let portName = "http"
}

extension Resource {
    /// The ServiceEntries that the Ballast of a cluster writes.
    static func serviceEntries(in namespace: String, of cluster: ClusterName) -> Resource {
        Resource(
            group: "networking.istio.io", version: "v1", plural: "serviceentries", namespace: namespace,
            labelSelector: SlotObjects.selector(cluster))
    }

    /// Istio's Gateways of all namespaces.
    static let istioGateways = Resource(group: "networking.istio.io", version: "v1", plural: "gateways")

    static func leases(in namespace: String) -> Resource {
        Resource(group: "coordination.k8s.io", version: "v1", plural: "leases", namespace: namespace)
    }
}
