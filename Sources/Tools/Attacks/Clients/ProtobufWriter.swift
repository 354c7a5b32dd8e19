/// Protobuf's wire format, for messages that no encoder of ours would write.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    /// A message of some fields.
    static func message(_ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        body(&writer)
        return writer.bytes
    }

    /// A bytes, string or message field.
    mutating func field(_ number: UInt8, _ content: [UInt8]) {
        bytes.append(number << 3 | 2)
        varint(UInt64(content.count))
        bytes.append(contentsOf: content)
    }

    mutating func field(_ number: UInt8, _ text: String) { field(number, Array(text.utf8)) }

    /// An integer field.
    mutating func field(_ number: UInt8, _ value: UInt64) {
        bytes.append(number << 3)
        varint(value)
    }

    /// A double field.
    mutating func field(_ number: UInt8, _ value: Double) {
        bytes.append(number << 3 | 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
        }
    }

    /// Bytes as they are.
    mutating func append(_ content: [UInt8]) { bytes.append(contentsOf: content) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
