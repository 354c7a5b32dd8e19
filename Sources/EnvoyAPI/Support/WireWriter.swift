/// Writes protobuf's wire format, for the messages that are spliced together from ready parts.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    /// A string field; nothing where it is empty, as proto3 wants it.
    mutating func string(_ field: UInt8, _ text: String) {
        guard !text.isEmpty else { return }
        message(field, byteCount: text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    /// A small number.
    mutating func number(_ field: UInt8, _ value: UInt8) {
        precondition(field < 16 && value < 0x80, "one byte for each only")
        bytes += [field << 3, value]
    }

    /// A message or bytes field.
    mutating func message(_ field: UInt8, _ content: [UInt8]) {
        message(field, byteCount: content.count)
        bytes.append(contentsOf: content)
    }

    /// The tag and the length of a field whose content the caller sends after this.
    mutating func message(_ field: UInt8, byteCount: Int) {
        precondition(field < 16, "one-byte tags only")
        bytes.append(field << 3 | 2)
        var rest = UInt(byteCount)
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
