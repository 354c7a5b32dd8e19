/// Header fields in HPACK's simplest form: literals without indexing and without Huffman coding (RFC 7541, 6.2.2).
struct HeaderBlock {
    private(set) var bytes: [UInt8] = []

    /// Creates the headers of a gRPC call.
    init(callOf path: String, isTLS: Bool) {
        append(":method", "POST")
        append(":scheme", isTLS ? "https" : "http")
        append(":path", path)
        append(":authority", "ballast.example")
        append("te", "trailers")
        append("content-type", "application/grpc")
        append("user-agent", "attack")
    }

    init() {}

    mutating func append(_ name: String, _ value: String) {
        bytes.append(0)
        appendString(name)
        appendString(value)
    }

    /// Appends the beginning of a field: the value's length is announced, but the value doesn't follow.
    mutating func append(_ name: String, announcing length: Int) {
        bytes.append(0)
        appendString(name)
        appendLength(length)
    }

    /// Appends the beginning of a field whose value's length is an unfinished integer.
    mutating func append(endlessLengthOf name: String) {
        bytes.append(0)
        appendString(name)
        bytes.append(0x7f)
    }

    private mutating func appendString(_ text: String) {
        appendLength(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    /// Appends an HPACK integer with a prefix of 7 bits (RFC 7541, 5.1).
    private mutating func appendLength(_ length: Int) {
        guard length >= 0x7f else { return bytes.append(UInt8(length)) }
        bytes.append(0x7f)
        var rest = length - 0x7f
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
