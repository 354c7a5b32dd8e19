/// An IPv4 or IPv6 address, stored as a number so that different spellings are equal.
///
/// EDS takes addresses only: Envoy and gRPC reject a whole assignment that contains a host name.
public struct IPAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    private enum Bits: Hashable {
        case v4(UInt32)
        case v6(UInt64, UInt64)
    }

    private let bits: Bits

    /// Parses an address; nil if the text isn't one.
    public init?(_ text: some StringProtocol) {
        if let bytes = Self.ipv4(text) {
            bits = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        } else if let groups = Self.ipv6(text) {
            let number = { (part: ArraySlice<UInt16>) in part.reduce(0) { $0 << 16 | UInt64($1) } }
            bits = .v6(number(groups[..<4]), number(groups[4...]))
        } else {
            return nil
        }
    }

    /// Reads an address in network byte order; nil unless there are 4 or 16 bytes.
    public init?(networkBytes bytes: [UInt8]) {
        switch bytes.count {
        case 4: bits = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            let number = { (part: ArraySlice<UInt8>) in part.reduce(0) { $0 << 8 | UInt64($1) } }
            bits = .v6(number(bytes[..<8]), number(bytes[8...]))
        default: return nil
        }
    }

    /// Whether this is an IPv6 address.
    public var isIPv6: Bool {
        switch bits {
        case .v4: false
        case .v6: true
        }
    }

    /// Whether the address is a loopback address.
    public var isLoopback: Bool {
        switch plain {
        case .v4(let number): number >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }

    /// Whether the address means all addresses of a machine: 0.0.0.0/8 or `::`.
    public var isUnspecified: Bool {
        switch plain {
        case .v4(let number): number >> 24 == 0
        case .v6(let high, let low): high == 0 && low == 0
        }
    }

    /// Whether the address is a multicast address.
    public var isMulticast: Bool {
        switch plain {
        case .v4(let number): number >> 28 == 0xe
        case .v6(let high, _): high >> 56 == 0xff
        }
    }

    /// Whether the address is 255.255.255.255 or in the reserved 240.0.0.0/4.
    public var isBroadcast: Bool {
        switch plain {
        case .v4(let number): number >> 28 == 0xf
        case .v6: false
        }
    }

    /// Whether the address is link-local: 169.254.0.0/16, where clouds serve instance metadata, or fe80::/10.
    public var isLinkLocal: Bool {
        switch plain {
        case .v4(let number): number >> 16 == 0xa9fe
        case .v6(let high, _): high >> 54 == 0xfe80 >> 6
        }
    }

    /// The network that one owner typically has: the IPv4 address itself, or the first 64 bits of an IPv6 address.
    public var network: IPAddress {
        if case .v6(let high, _) = plain { IPAddress(bits: .v6(high, 0)) } else { IPAddress(bits: plain) }
    }

    private init(bits: Bits) { self.bits = bits }

    /// Whether a client can connect to the address, from any machine or only from this one.
    public var isUnicast: Bool { !isUnspecified && !isMulticast && !isBroadcast }

    /// The IPv4 address in an IPv4-mapped IPv6 address (`::ffff:10.0.0.1`); any other address unchanged.
    private var plain: Bits {
        if case .v6(0, let low) = bits, low >> 32 == 0xffff { .v4(UInt32(truncatingIfNeeded: low)) } else { bits }
    }

    /// Dotted decimal for IPv4, the RFC 5952 form without brackets for IPv6.
    public var description: String {
        switch bits {
        case .v4(let number):
            // Joins precomputed texts: tens of thousands of addresses are written at once.
            let bytes = stride(from: UInt32(24), through: 0, by: -8).lazy.map { Int(number >> $0 & 0xff) }
            return bytes.reduce(into: "") { text, byte in
                if !text.isEmpty { text += "." }
                text += Self.decimals[byte]
            }
        case .v6(let high, let low):
            let groups = [high, low].flatMap { half in
                stride(from: UInt64(48), through: 0, by: -16).map { UInt16(truncatingIfNeeded: half >> $0) }
            }
            return Self.canonical(groups)
        }
    }

    private static let decimals = (0...255).map(String.init)

    /// Orders IPv4 before IPv6, and each by number.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        switch (left.bits, right.bits) {
        case (.v4(let left), .v4(let right)): left < right
        case (.v4, .v6): true
        case (.v6, .v4): false
        case (.v6(let left, let leftLow), .v6(let right, let rightLow)): (left, leftLow) < (right, rightLow)
        }
    }

    private static func ipv4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        let bytes = parts.compactMap { part -> UInt8? in
            // Leading zeros are refused, since some parsers read them as octal.
            guard part.utf8.allSatisfy(isDigit), part == "0" || part.first != "0" else { return nil }
            return UInt8(part)
        }
        return bytes.count == 4 ? bytes : nil
    }

    private static func ipv6(_ text: some StringProtocol) -> [UInt16]? {
        let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard text.contains(":"), halves.count <= 2, let head = groups(halves[0]) else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = groups(halves[1]), head.count + tail.count < 8 else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    /// Parses colon-separated groups of up to four hex digits; the last may be an IPv4 address.
    private static func groups(_ text: some StringProtocol) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, let bytes = ipv4(part) {
                groups.append(UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
                groups.append(UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexDigit),
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    /// Formats as in RFC 5952: lower case, no leading zeros, `::` for the first longest run of two or more zero groups.
    private static func canonical(_ groups: [UInt16]) -> String {
        var longest = 0..<0
        var start = 0
        for index in 0...groups.count where index == groups.count || groups[index] != 0 {
            if index - start > max(longest.count, 1) { longest = start..<index }
            start = index + 1
        }
        let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard !longest.isEmpty else { return text(groups[...]) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}

/// An IP address and a TCP port.
public struct SocketAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The IP address.
    public let host: IPAddress
    /// The port, 1 to 65535; 0 asks the system to choose a port to listen on.
    public let port: UInt16

    /// Creates an address.
    public init(host: IPAddress, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Parses `127.0.0.1:80` or `[::1]:80`; nil if the text is neither.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let host = IPAddress(host), host.isIPv6 == isBracketed else { return nil }
        self.init(host: host, port: port)
    }

    /// Whether the host is a loopback address.
    public var isLoopback: Bool { host.isLoopback }

    /// `127.0.0.1:80`, or `[::1]:80`.
    public var description: String { host.isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Orders by host, then port.
    public static func < (left: SocketAddress, right: SocketAddress) -> Bool {
        left.host == right.host ? left.port < right.port : left.host < right.host
    }
}
