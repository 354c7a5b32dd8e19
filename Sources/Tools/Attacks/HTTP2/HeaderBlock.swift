/// Header fields in HPACK's plainest form: literals without an index and without Huffman's code (RFC 7541, 6.2.2).
struct HeaderBlock {
    private(set) var bytes: [UInt8] = []

    /// What a gRPC call begins with.
    init(callOf path: String, isTLS: Bool) {
        append(":method", "POST")
        append(":scheme", isTLS ? "https" : "http")
        append(":path", path)
        append(":authority", "ballast.example")
        append("te", "trailers")
        append("content-type", "application/grpc")
        append("user-agent", "attack")
    }

    /// Nothing yet.
    init() {}

    /// A field.
    mutating func append(_ name: String, _ value: String) {
        bytes.append(0)
        appendString(name)
        appendString(value)
    }

    /// The beginning of a field whose value is said to be that long, and isn't there.
    mutating func append(_ name: String, announcing length: Int) {
        bytes.append(0)
        appendString(name)
        appendLength(length)
    }

    /// The beginning of a field whose value's length is a number that goes on.
    mutating func append(endlessLengthOf name: String) {
        bytes.append(0)
        appendString(name)
        bytes.append(0x7f)
    }

    private mutating func appendString(_ text: String) {
        appendLength(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    /// HPACK's integer with a prefix of 7 bits (RFC 7541, 5.1).
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
