import KubernetesClient

/// discovery.k8s.io/v1 EndpointSlice.
struct EndpointSlice: KubernetesObject {
    struct Conditions: Decodable, Sendable {
        var ready: Bool?
        var serving: Bool?
        var terminating: Bool?
    }

    struct Reference: Decodable, Sendable {
        var kind: String?
        var name: String?
    }

    struct Endpoint: Decodable, Sendable {
        var addresses: [String]?
        var conditions: Conditions?
        var hostname: String?
        var targetRef: Reference?
        var zone: String?
    }

    struct Port: Decodable, Sendable {
        var name: String?
        var `protocol`: String?
        var port: Int?
    }

    var metadata: ObjectMetadata
    var addressType: String
    var endpoints: [Endpoint]?
    var ports: [Port]?
}

/// The metadata of a v1 Pod.
struct KubernetesPod: KubernetesObject {
    var metadata: ObjectMetadata
}

/// v1 Service.
struct KubernetesServiceObject: KubernetesObject {
    struct Port: Decodable, Sendable {
        var name: String?
        var `protocol`: String?
        var port: Int
        var nodePort: Int?
    }

    struct Spec: Decodable, Sendable {
        var type: String?
        var ports: [Port]?
    }

    struct Ingress: Decodable, Sendable {
        var ip: String?
        var hostname: String?
    }

    struct LoadBalancer: Decodable, Sendable {
        var ingress: [Ingress]?
    }

    struct Status: Decodable, Sendable {
        var loadBalancer: LoadBalancer?
    }

    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?
}

/// v1 Node.
struct KubernetesNode: KubernetesObject {
    struct Address: Decodable, Sendable {
        var type: String
        var address: String
    }

    struct Condition: Decodable, Sendable {
        var type: String
        var status: String
    }

    struct Status: Decodable, Sendable {
        var addresses: [Address]?
        var conditions: [Condition]?
    }

    var metadata: ObjectMetadata
    var status: Status?
}
