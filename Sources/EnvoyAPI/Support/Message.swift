import CEnvoyAPI

/// Thrown if bytes can't be decoded as a message.
public struct DecodingFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let description: String
}

/// Decodes a message, passes it to `read`, and frees it.
///
/// - Parameters:
///   - descriptor: the descriptor of the C message.
///   - maxParts: the limit on the number of strings and messages.
///   - read: must not keep the message's pointers, which are borrowed.
func withDecoded<Message, Result>(
    _ bytes: [UInt8], _ type: Message.Type, _ descriptor: ProtobufCMessageDescriptor,
    maxParts: Int = MessageCheck.maxParts, _ read: (Message) -> Result
) throws(DecodingFailure) -> Result {
    let name = String(cString: descriptor.name)
    guard MessageCheck.passes(bytes, descriptor, maxParts: maxParts) else {
        throw DecodingFailure(
            description: """
                \(name): broken, nested more than \(MessageCheck.deepest) levels deep, of more than \
                \(maxParts) parts, or with a NUL in a string
                """)
    }
    let decoded = withUnsafePointer(to: descriptor) { descriptor in
        // Owned: freed right below.
        protobuf_c_message_unpack(descriptor, nil, bytes.count, bytes)
    }
    guard let decoded else { throw DecodingFailure(description: "\(name): \(bytes.count) bytes that can't be decoded") }
    defer { protobuf_c_message_free_unpacked(decoded, nil) }
    return UnsafeMutableRawPointer(decoded).withMemoryRebound(to: Message.self, capacity: 1) { read($0.pointee) }
}

/// Encodes a message.
///
/// - Parameter message: a protobuf-c struct, which begins with a `ProtobufCMessage`; it is only read.
func encode<Message>(_ message: UnsafeMutablePointer<Message>) -> [UInt8] {
    UnsafeMutableRawPointer(message).withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { base in
        let byteCount = protobuf_c_message_get_packed_size(base)
        // All empty arrays share one storage, which this initializer would write to.
        guard byteCount > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
            initialized = protobuf_c_message_pack(base, buffer.baseAddress)
        }
    }
}

/// Checks a message for contents that would harm protobuf-c.
///
/// protobuf-c decodes nested messages by recursion without a limit: a few megabytes of nested `Struct`s would overflow
/// the stack. An empty message takes 2 bytes encoded and more than 100 decoded. Strings are C strings, which end at a
/// NUL.
struct MessageCheck {
    /// The limit on nesting.
    ///
    /// Envoy's messages nest about a dozen levels; other protobuf libraries stop at 100.
    static let deepest = 64
    /// Strings and messages in one message that a client or a peer sends.
    static let maxParts = 300_000

    /// Strings and messages that may still come.
    private var left: Int

    static func passes(
        _ bytes: [UInt8], _ descriptor: ProtobufCMessageDescriptor, maxParts: Int = MessageCheck.maxParts
    ) -> Bool {
        var check = MessageCheck(left: maxParts)
        return withUnsafePointer(to: descriptor) { descriptor in
            bytes.withUnsafeBytes { check.passes($0, descriptor, depth: 1) }
        }
    }

    private mutating func passes(
        _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int
    ) -> Bool {
        guard depth <= Self.deepest else { return false }
        var reader = WireReader(bytes)
        while let (number, value) = reader.next() {
            guard let number = UInt32(exactly: number), number > 0 else { return false }
            guard case .bytes(let content) = value else { continue }
            left -= 1
            guard left >= 0 else { return false }
            let field = protobuf_c_message_descriptor_get_field(descriptor, number)
            if let field, field.pointee.type == PROTOBUF_C_TYPE_MESSAGE, let inner = field.pointee.descriptor {
                let inner = inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
                guard passes(content, inner, depth: depth + 1) else { return false }
            } else if let field, field.pointee.type == PROTOBUF_C_TYPE_STRING {
                guard !content.contains(0) else { return false }
            }
        }
        return !reader.isBroken
    }
}

extension String {
    /// Copies a C string of a decoded message.
    ///
    /// Invalid UTF-8 is replaced; a missing string is empty.
    init(_ text: UnsafeMutablePointer<CChar>?) {
        self = text.map { String(cString: $0) } ?? ""
    }
}

/// The strings of a repeated field.
func strings(_ array: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int) -> [String] {
    guard let array else { return [] }
    return UnsafeBufferPointer(start: array, count: count).map { String($0) }
}

/// The messages of a repeated field.
func messages<Message>(_ array: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?, _ count: Int) -> [Message] {
    guard let array else { return [] }
    return UnsafeBufferPointer(start: array, count: count).compactMap { $0?.pointee }
}
