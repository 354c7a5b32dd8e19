/// Reads protobuf's wire format field by field, without decoding a whole message.
struct WireReader {
    enum Value {
        case number(UInt64)
        /// Four or eight bytes: a float, a double or a number of fixed length.
        case fixed
        /// A string, a message or bytes; borrowed from the message.
        case bytes(UnsafeRawBufferPointer)
    }

    /// Borrowed from the caller.
    private let bytes: UnsafeRawBufferPointer
    /// The offset of the next field.
    private(set) var offset = 0
    /// Whether the next bytes are not a valid field.
    private(set) var isBroken = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next field; nil at the end, or if it is malformed (`isBroken`).
    mutating func next() -> (field: UInt64, value: Value)? {
        guard offset < bytes.count, !isBroken else { return nil }
        guard let tag = varint(), let value = value(tag & 7) else {
            isBroken = true
            return nil
        }
        return (tag >> 3, value)
    }

    /// Continues at an offset that is the beginning of a field or the end of the message.
    mutating func skip(to offset: Int) { self.offset = offset }

    private mutating func value(_ wireType: UInt64) -> Value? {
        switch wireType {
        case 0: return varint().map { .number($0) }
        case 1: return take(8).map { _ in .fixed }
        case 2: return varint().flatMap { length in take(length) }.map { .bytes($0) }
        case 5: return take(4).map { _ in .fixed }
        default: return nil
        }
    }

    private mutating func take(_ length: UInt64) -> UnsafeRawBufferPointer? {
        guard length <= UInt64(bytes.count - offset) else { return nil }
        defer { offset += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count, shift < 64 {
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }
}
