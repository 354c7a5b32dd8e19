public import Foundation

/// The metadata that all objects have.
public struct ObjectMetadata: Hashable, Sendable, Codable {
    /// The object's name.
    public var name: String?
    /// The object's namespace; nil for cluster-scoped objects.
    public var namespace: String?
    /// The object's identity, which another object of the same name doesn't have.
    public var uid: String?
    /// The object's version.
    public var resourceVersion: String?
    /// The object's labels.
    public var labels: [String: String]?
    /// The object's annotations.
    public var annotations: [String: String]?
    /// Who has set which fields; as the server reports it.
    public var managedFields: [ManagedFields]?

    /// Creates metadata with a name and a namespace.
    public init(name: String?, namespace: String?) {
        self.name = name
        self.namespace = namespace
    }

    /// The object's key.
    public var key: ObjectKey { ObjectKey(namespace: namespace ?? "", name: name ?? "") }
}

/// What one manager has set of an object.
public struct ManagedFields: Hashable, Sendable, Codable {
    /// Fields by name; their content doesn't matter here.
    private struct Fields: Hashable, Sendable, Codable {
        private struct Key: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }

            init(stringValue: String) { self.stringValue = stringValue }

            init?(intValue: Int) { nil }
        }

        var names: Set<String>

        init(from decoder: any Decoder) throws {
            names = Set(try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue))
        }

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            for name in names { try fields.encode([String: String](), forKey: Key(stringValue: name)) }
        }
    }

    /// The manager's name.
    public var manager: String?
    private var time: String?
    private var fieldsV1: Fields?

    /// When it last changed a field; nil if the server doesn't say.
    public var changed: Date? { time.flatMap { try? Date($0, strategy: .iso8601) } }

    /// Whether it has set fields besides metadata and status.
    public var ownsContent: Bool {
        !(fieldsV1?.names.subtracting(["f:metadata", "f:status"]).isEmpty ?? true)
    }
}

/// Identifies an object of a resource.
public struct ObjectKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Empty for cluster-scoped objects.
    public var namespace: String
    /// The object's name.
    public var name: String

    /// Creates a key.
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
    /// Go may encode an empty list as null.
    var items: [Object]?
}

/// A line of a watch.
enum WatchEvent<Object: Decodable>: Decodable {
    /// ADDED or MODIFIED.
    case changed(Object)
    case deleted(Object)
    case bookmark(ObjectMetadata)
    case error(StatusObject)
    /// An event type that this program doesn't know.
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
