import Foundation

/// What all objects have.
struct ObjectMetadata: Hashable, Sendable, Decodable {
    var name: String?
    var namespace: String?
    var resourceVersion: String?
    var labels: [String: String]?
    var annotations: [String: String]?

    var key: ObjectKey { ObjectKey(namespace: namespace ?? "", name: name ?? "") }
}

/// Which object of its kind.
struct ObjectKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    var namespace: String
    var name: String

    var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        (left.namespace, left.name) < (right.namespace, right.name)
    }
}

/// A page of a list.
struct ObjectList<Object: Decodable & Sendable>: Decodable, Sendable {
    struct Metadata: Decodable, Sendable {
        var resourceVersion: String?
        var `continue`: String?
    }

    var metadata: Metadata
    /// Go writes an empty list as null at times.
    var items: [Object]?
}

/// A line of a watch.
enum WatchEvent<Object: Decodable>: Decodable {
    /// ADDED or MODIFIED.
    case changed(Object)
    case deleted(Object)
    case bookmark(ObjectMetadata)
    case error(StatusObject)
    /// Of a kind that came after this program.
    case unknown

    private enum CodingKeys: String, CodingKey {
        case type, object
    }

    private struct Bookmark: Decodable {
        var metadata: ObjectMetadata
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        switch try fields.decode(String.self, forKey: .type) {
        case "ADDED", "MODIFIED": self = .changed(try fields.decode(Object.self, forKey: .object))
        case "DELETED": self = .deleted(try fields.decode(Object.self, forKey: .object))
        case "BOOKMARK": self = .bookmark(try fields.decode(Bookmark.self, forKey: .object).metadata)
        case "ERROR": self = .error(try fields.decode(StatusObject.self, forKey: .object))
        default: self = .unknown
        }
    }
}

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
