import CEnvoyAPI

/// Writes resources as JSON, as protobuf's JSON mapping does, with the field names of the .proto files.
///
/// Fields that have their default values are left out. What our trimmed .proto files don't have is missing.
public enum ResourceJSON {
    /// Decodes an `Any`, and writes what it contains, with its type as `@type`.
    ///
    /// - Parameter any: an encoded `google.protobuf.Any`, such as `EncodedResource.any`.
    public static func text(of any: [UInt8]) throws(DecodingFailure) -> String {
        let parts = try withDecoded(any, Google__Protobuf__Any.self, google__protobuf__any__descriptor) { any in
            (String(any.type_url), bytes(any.value))
        }
        return try text(of: parts.1, type: parts.0)
    }

    private static func text(of content: [UInt8], type: String) throws(DecodingFailure) -> String {
        let name = type.split(separator: "/").last.map(String.init) ?? type
        guard let descriptor = known[name] else {
            return #"{"@type": \#(quoted(type)), "value": \#(quoted(base64(content)))}"#
        }
        guard MessageCheck.passes(content, descriptor) else {
            throw DecodingFailure(description: "\(name): can't be decoded")
        }
        return try withUnsafePointer(to: descriptor) { descriptor throws(DecodingFailure) in
            // Owned: freed right below.
            guard let message = protobuf_c_message_unpack(descriptor, nil, content.count, content) else {
                throw DecodingFailure(description: "\(name): \(content.count) bytes that can't be decoded")
            }
            defer { protobuf_c_message_free_unpacked(message, nil) }
            return MessageJSON(UnsafeRawPointer(message)).text(type: type)
        }
    }

    /// The types that an `Any` in our resources can contain.
    private static var known: [String: ProtobufCMessageDescriptor] {
        let all = [
            envoy__config__cluster__v3__cluster__descriptor,
            envoy__config__endpoint__v3__cluster_load_assignment__descriptor,
            envoy__config__endpoint__v3__lb_endpoint__descriptor,
            envoy__config__listener__v3__listener__descriptor,
            envoy__config__route__v3__route_configuration__descriptor,
            envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor,
            envoy__extensions__filters__network__tcp_proxy__v3__tcp_proxy__descriptor,
            envoy__extensions__filters__network__set_filter_state__v3__config__descriptor,
            envoy__extensions__filters__http__router__v3__router__descriptor,
            envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor,
            envoy__extensions__transport_sockets__raw_buffer__v3__raw_buffer__descriptor,
            envoy__extensions__transport_sockets__http_11_proxy__v3__http11_proxy_upstream_transport__descriptor,
            envoy__extensions__transport_sockets__internal_upstream__v3__internal_upstream_transport__descriptor,
            envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor,
            ballast__federation__v1__exported_service__descriptor,
        ]
        return Dictionary(all.map { (String(cString: $0.name), $0) }, uniquingKeysWith: { first, _ in first })
    }

    fileprivate static func nested(_ type: String, _ content: [UInt8]) -> String {
        (try? text(of: content, type: type)) ?? #"{"@type": \#(quoted(type))}"#
    }

    fileprivate static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
        data.data.map { [UInt8](UnsafeBufferPointer(start: $0, count: data.len)) } ?? []
    }

    fileprivate static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 32 || scalar.value == 127:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    fileprivate static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? digits[bits >> (18 - 6 * place) & 63] : "=")
            }
        }
        return text
    }
}

/// One decoded message, borrowed: whoever creates the value keeps the message alive.
private struct MessageJSON {
    /// Points to a protobuf-c struct, which begins with a `ProtobufCMessage`.
    private let message: UnsafeRawPointer
    private let descriptor: ProtobufCMessageDescriptor

    init(_ message: UnsafeRawPointer) {
        self.message = message
        descriptor = message.load(as: ProtobufCMessage.self).descriptor.pointee
    }

    private var name: String { String(cString: descriptor.name) }

    private var fields: UnsafeBufferPointer<ProtobufCFieldDescriptor> {
        UnsafeBufferPointer(start: descriptor.fields, count: Int(descriptor.n_fields))
    }

    /// - Parameter type: the type URL, if the message comes from an `Any`.
    func text(type: String? = nil) -> String {
        switch name {
        case "google.protobuf.Any":
            let any = message.load(as: Google__Protobuf__Any.self)
            return ResourceJSON.nested(String(any.type_url), ResourceJSON.bytes(any.value))
        case "google.protobuf.Duration":
            let duration = message.load(as: Google__Protobuf__Duration.self)
            return "\"\(decimal(seconds: duration.seconds, nanos: duration.nanos))s\""
        case "google.protobuf.Struct":
            return fields.first.flatMap { repeated($0) } ?? "{}"
        case "google.protobuf.Value", "google.protobuf.ListValue":
            return fields.lazy.compactMap { value(of: $0) }.first ?? "null"
        case let name where name.hasPrefix("google.protobuf.") && name.hasSuffix("Value"):
            return fields.first.map { element($0, at: message + Int($0.offset)) } ?? "null"
        default:
            let own = fields.compactMap { field in
                value(of: field).map { "\(ResourceJSON.quoted(String(cString: field.name))): \($0)" }
            }
            let parts = (type.map { ["\"@type\": \(ResourceJSON.quoted($0))"] } ?? []) + own
            return "{\(parts.joined(separator: ", "))}"
        }
    }

    /// A field's value; nil if it is not set, or has its default.
    private func value(of field: ProtobufCFieldDescriptor) -> String? {
        if field.label == PROTOBUF_C_LABEL_REPEATED { return repeated(field) }
        let place = message + Int(field.offset)
        let isOneof = field.flags & UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue) != 0
        if isOneof {
            guard message.load(fromByteOffset: Int(field.quantifier_offset), as: UInt32.self) == field.id else {
                return nil
            }
        } else if isDefault(field, at: place) {
            return nil
        }
        return element(field, at: place)
    }

    private func isDefault(_ field: ProtobufCFieldDescriptor, at place: UnsafeRawPointer) -> Bool {
        switch field.type {
        case PROTOBUF_C_TYPE_STRING:
            return place.load(as: UnsafePointer<CChar>?.self).map { $0.pointee == 0 } ?? true
        case PROTOBUF_C_TYPE_MESSAGE: return place.load(as: UnsafeRawPointer?.self) == nil
        case PROTOBUF_C_TYPE_BYTES: return place.load(as: ProtobufCBinaryData.self).len == 0
        default: return stride(of: field) == 8 ? place.load(as: UInt64.self) == 0 : place.load(as: UInt32.self) == 0
        }
    }

    /// A list, or an object for a map; nil if empty.
    private func repeated(_ field: ProtobufCFieldDescriptor) -> String? {
        let count = message.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self)
        guard count > 0, let start = message.load(fromByteOffset: Int(field.offset), as: UnsafeRawPointer?.self) else {
            return nil
        }
        let places = (0..<count).map { start + $0 * stride(of: field) }
        guard field.type == PROTOBUF_C_TYPE_MESSAGE, isMap(field) else {
            return "[\(places.map { element(field, at: $0) }.joined(separator: ", "))]"
        }
        let entries = places.compactMap { $0.load(as: UnsafeRawPointer?.self).map(MessageJSON.init) }
        let parts = entries.map { entry in
            let texts = entry.fields.map { entry.element($0, at: entry.message + Int($0.offset)) }
            return "\(texts[0].hasPrefix("\"") ? texts[0] : "\"\(texts[0])\""): \(texts[1])"
        }
        return "{\(parts.joined(separator: ", "))}"
    }

    /// protobuf-c has no maps: they are lists of messages with `key` and `value`.
    private func isMap(_ field: ProtobufCFieldDescriptor) -> Bool {
        guard let inner = field.descriptor?.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee else {
            return false
        }
        return inner.n_fields == 2 && String(cString: inner.name).hasSuffix("Entry")
            && String(cString: inner.fields[0].name) == "key"
    }

    private func stride(of field: ProtobufCFieldDescriptor) -> Int {
        switch field.type {
        case PROTOBUF_C_TYPE_BYTES: MemoryLayout<ProtobufCBinaryData>.stride
        case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_MESSAGE, PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64,
            PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_DOUBLE:
            8
        default: 4
        }
    }

    private func element(_ field: ProtobufCFieldDescriptor, at place: UnsafeRawPointer) -> String {
        switch field.type {
        case PROTOBUF_C_TYPE_STRING:
            return ResourceJSON.quoted(place.load(as: UnsafePointer<CChar>?.self).map { String(cString: $0) } ?? "")
        case PROTOBUF_C_TYPE_MESSAGE:
            return place.load(as: UnsafeRawPointer?.self).map { MessageJSON($0).text() } ?? "null"
        case PROTOBUF_C_TYPE_BYTES:
            return ResourceJSON.quoted(
                ResourceJSON.base64(ResourceJSON.bytes(place.load(as: ProtobufCBinaryData.self))))
        case PROTOBUF_C_TYPE_BOOL: return place.load(as: Int32.self) == 0 ? "false" : "true"
        case PROTOBUF_C_TYPE_ENUM:
            let number = place.load(as: Int32.self)
            return name(of: number, in: field).map(ResourceJSON.quoted) ?? "\(number)"
        case PROTOBUF_C_TYPE_DOUBLE: return number(place.load(as: Double.self))
        case PROTOBUF_C_TYPE_FLOAT: return number(Double(place.load(as: Float.self)))
        case PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_FIXED64: return "\"\(place.load(as: UInt64.self))\""
        case PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_SFIXED64:
            return "\"\(place.load(as: Int64.self))\""
        case PROTOBUF_C_TYPE_UINT32, PROTOBUF_C_TYPE_FIXED32: return "\(place.load(as: UInt32.self))"
        default: return "\(place.load(as: Int32.self))"
        }
    }

    /// With 3, 6 or 9 digits after the point, or none.
    private func decimal(seconds: Int64, nanos: Int32) -> String {
        guard nanos != 0 else { return "\(seconds)" }
        var digits = String(nanos.magnitude)
        digits = String(repeating: "0", count: max(0, 9 - digits.count)) + digits
        while digits.hasSuffix("000") { digits.removeLast(3) }
        return "\(nanos < 0 && seconds == 0 ? "-" : "")\(seconds).\(digits)"
    }

    private func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "\"\(value)\"" }

    private func name(of number: Int32, in field: ProtobufCFieldDescriptor) -> String? {
        guard let type = field.descriptor?.assumingMemoryBound(to: ProtobufCEnumDescriptor.self),
            let value = protobuf_c_enum_descriptor_get_value(type, number)
        else { return nil }
        return String(cString: value.pointee.name)
    }
}
