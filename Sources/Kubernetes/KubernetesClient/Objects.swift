import Foundation

/// What all objects have.
public struct ObjectMetadata: Hashable, Sendable, Decodable {
    /// Its name.
    public var name: String?
    /// Its namespace; nil for objects without one.
    public var namespace: String?
    /// Its version.
    public var resourceVersion: String?
    /// Its labels.
    public var labels: [String: String]?
    /// Its annotations.
    public var annotations: [String: String]?

    /// Metadata with that name.
    public init(name: String?, namespace: String?) {
        self.name = name
        self.namespace = namespace
    }

    /// Which object of its kind it is.
    public var key: ObjectKey { ObjectKey(namespace: namespace ?? "", name: name ?? "") }
}

/// Which object of its kind.
public struct ObjectKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Empty for objects without one.
    public var namespace: String
    /// Its name.
    public var name: String

    /// A key.
    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// `NAMESPACE/NAME`.
    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    /// Orders by namespace, then by name.
    public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
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
