/// The answer of `/v1/clients/{name}/resources/{type}/{resource}`: what a client should have.
public struct ResourcePage: Codable, Hashable, Sendable {
    /// The node ID.
    public var node: String
    /// The type URL.
    public var type: String
    /// The resource's name.
    public var name: String
    /// The version that is served now; nil if there is no such resource.
    public var version: String?
    /// The last version that the client was sent; nil if it has not subscribed to the resource, or got nothing yet.
    public var sent: String?
    /// The last version that the client ACKed.
    public var acknowledged: String?
    /// The resource in protobuf's JSON mapping, with the field names of the .proto files; nil if there is none.
    public var resource: JSONValue?

    /// Creates a page.
    public init(
        node: String, type: String, name: String, version: String? = nil, sent: String? = nil,
        acknowledged: String? = nil, resource: JSONValue? = nil
    ) {
        self.node = node
        self.type = type
        self.name = name
        self.version = version
        self.sent = sent
        self.acknowledged = acknowledged
        self.resource = resource
    }
}

/// Any JSON.
public enum JSONValue: Codable, Hashable, Sendable {
    /// An object.
    case object([String: JSONValue])
    /// A list.
    case array([JSONValue])
    /// A text.
    case string(String)
    /// A whole number.
    case integer(Int)
    /// Another number.
    case number(Double)
    /// True or false.
    case bool(Bool)
    /// Null.
    case null

    /// Decodes any JSON.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Encodes the JSON.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .object(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .null: try container.encodeNil()
        }
    }
}
