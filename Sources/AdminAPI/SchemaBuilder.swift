import Foundation
import Overrides

/// Derives the JSON schema of a page from its `Decodable` conformance: it decodes a made-up value and notes what is asked.
final class SchemaBuilder {
    /// The schemas of named types.
    private(set) var schemas: [String: [String: Any]] = [:]

    /// The schema of a type, as a reference if the type has fields.
    func schema(_ type: any Decodable.Type) -> [String: Any] {
        switch type {
        case is String.Type: return ["type": "string"]
        case is Bool.Type: return ["type": "boolean"]
        case is Double.Type: return ["type": "number"]
        case is Int.Type, is UInt32.Type, is UInt64.Type, is UInt16.Type: return ["type": "integer"]
        case is Date.Type: return ["type": "string", "format": "date-time"]
        default: break
        }
        if let list = type as? any ListType.Type { return ["type": "array", "items": schema(list.element)] }
        if let map = type as? any MapType.Type {
            return ["type": "object", "additionalProperties": schema(map.value)]
        }
        if let optional = type as? any OptionalType.Type { return schema(optional.wrapped) }
        if type == JSONValue.self { return [:] }
        if let choice = type as? any ChoiceType.Type { return ["type": "string", "enum": choice.choices] }
        let name = Self.name(type)
        if schemas[name] == nil {
            schemas[name] = [:]
            let recorder = Recorder(self)
            _ = try? type.init(from: recorder)
            schemas[name] = [
                "type": "object", "properties": recorder.properties, "required": recorder.required.sorted(),
            ]
        }
        return ["$ref": "#/components/schemas/\(name)"]
    }

    /// `ServicePage.Share` as `ServicePageShare`.
    private static func name(_ type: any Decodable.Type) -> String {
        String(reflecting: type).split(separator: ".").dropFirst().joined()
    }
}

private protocol ListType { static var element: any Decodable.Type { get } }
extension Array: ListType where Element: Decodable {
    fileprivate static var element: any Decodable.Type { Element.self }
}
private protocol MapType { static var value: any Decodable.Type { get } }
extension Dictionary: MapType where Key == String, Value: Decodable {
    fileprivate static var value: any Decodable.Type { Value.self }
}
private protocol OptionalType { static var wrapped: any Decodable.Type { get } }
extension Optional: OptionalType where Wrapped: Decodable {
    fileprivate static var wrapped: any Decodable.Type { Wrapped.self }
}

extension Boxed: OptionalType { fileprivate static var wrapped: any Decodable.Type { Value.self } }

/// An enumeration of texts.
protocol ChoiceType: Decodable { static var choices: [String] { get } }
extension ChoiceType where Self: CaseIterable & RawRepresentable, RawValue == String {
    static var choices: [String] { allCases.map(\.rawValue) }
}

/// Answers every question for a field with a made-up value, and notes the field.
private final class Recorder: Decoder {
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]
    let builder: SchemaBuilder
    var properties: [String: Any] = [:]
    var required: Set<String> = []

    init(_ builder: SchemaBuilder) { self.builder = builder }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Fields<Key>(recorder: self))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Unsupported() }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw Unsupported() }

    struct Unsupported: Error {}

    struct Fields<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let recorder: Recorder
        let codingPath: [any CodingKey] = []
        let allKeys: [Key] = []

        func contains(_ key: Key) -> Bool { true }
        func decodeNil(forKey key: Key) -> Bool { true }

        private func note(_ type: any Decodable.Type, _ key: Key, isRequired: Bool) {
            recorder.properties[key.stringValue] = recorder.builder.schema(type)
            if isRequired { recorder.required.insert(key.stringValue) }
        }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            note(type, key, isRequired: true)
            return try Sample.value(type, recorder.builder)
        }
        func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
            note(type, key, isRequired: false)
            return nil
        }
        func decode(_ type: Bool.Type, forKey key: Key) -> Bool { noted(type, key, false) }
        func decode(_ type: String.Type, forKey key: Key) -> String { noted(type, key, "") }
        func decode(_ type: Double.Type, forKey key: Key) -> Double { noted(type, key, 0) }
        func decode(_ type: Int.Type, forKey key: Key) -> Int { noted(type, key, 0) }
        func decode(_ type: UInt32.Type, forKey key: Key) -> UInt32 { noted(type, key, 0) }
        func decode(_ type: UInt64.Type, forKey key: Key) -> UInt64 { noted(type, key, 0) }
        func decodeIfPresent(_ type: Bool.Type, forKey key: Key) -> Bool? { absent(type, key) }
        func decodeIfPresent(_ type: String.Type, forKey key: Key) -> String? { absent(type, key) }
        func decodeIfPresent(_ type: Double.Type, forKey key: Key) -> Double? { absent(type, key) }
        func decodeIfPresent(_ type: Int.Type, forKey key: Key) -> Int? { absent(type, key) }
        func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) -> UInt32? { absent(type, key) }
        func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) -> UInt64? { absent(type, key) }

        private func noted<T: Decodable>(_ type: T.Type, _ key: Key, _ value: T) -> T {
            note(type, key, isRequired: true)
            return value
        }
        private func absent<T: Decodable>(_ type: T.Type, _ key: Key) -> T? {
            note(type, key, isRequired: false)
            return nil
        }

        func nestedContainer<NestedKey: CodingKey>(
            keyedBy type: NestedKey.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<NestedKey> { throw Unsupported() }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw Unsupported() }
        func superDecoder() throws -> any Decoder { throw Unsupported() }
        func superDecoder(forKey key: Key) throws -> any Decoder { throw Unsupported() }
    }
}

/// Made-up values.
private enum Sample {
    static func value<T: Decodable>(_ type: T.Type, _ builder: SchemaBuilder) throws -> T {
        if let date = Date(timeIntervalSince1970: 0) as? T { return date }
        if let empty = (type as? any EmptyType.Type)?.empty as? T { return empty }
        if let choice = type as? any ChoiceType.Type, let first = choice.choices.first {
            return try JSONDecoder().decode(T.self, from: Data("\"\(first)\"".utf8))
        }
        return try T(from: Recorder(builder))
    }
}

private protocol EmptyType { static var empty: Self { get } }
extension Array: EmptyType { fileprivate static var empty: [Element] { [] } }
extension Dictionary: EmptyType { fileprivate static var empty: [Key: Value] { [:] } }
