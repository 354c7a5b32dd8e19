/// Writes protobuf's wire format: for messages that are joined from encoded parts, and for those that no encoder writes.
package struct WireWriter {
    /// The fields written.
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// A message of some fields.
    package static func message(_ body: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter()
        body(&writer)
        return writer.bytes
    }

    /// A string field; an empty one is left out, as in proto3.
    package mutating func string(_ field: UInt8, _ text: String) {
        guard !text.isEmpty else { return }
        message(field, byteCount: text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    /// An integer field.
    package mutating func number(_ field: UInt8, _ value: UInt64) {
        tag(field, wireType: 0)
        varint(value)
    }

    /// A double field.
    package mutating func double(_ field: UInt8, _ value: Double) {
        tag(field, wireType: 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
        }
    }

    /// A message or bytes field.
    package mutating func message(_ field: UInt8, _ content: [UInt8]) {
        message(field, byteCount: content.count)
        bytes.append(contentsOf: content)
    }

    /// The tag and the length of a field whose content the caller sends after this.
    package mutating func message(_ field: UInt8, byteCount: Int) {
        tag(field, wireType: 2)
        varint(UInt64(byteCount))
    }

    /// Fields that are encoded already.
    package mutating func append(_ fields: [UInt8]) { bytes.append(contentsOf: fields) }

    private mutating func tag(_ field: UInt8, wireType: UInt8) {
        precondition(field < 16, "one-byte tags only")
        bytes.append(field << 3 | wireType)
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
