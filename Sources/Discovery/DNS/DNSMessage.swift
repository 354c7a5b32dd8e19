import Model

/// A question to a name server, and what its answer says (RFC 1035).
struct DNSQuestion: Hashable, Sendable {
    /// A kind of address.
    enum RecordType: UInt16, Hashable, Sendable, CaseIterable {
        case a = 1
        case aaaa = 28
    }

    var id: UInt16
    var name: String
    var type: RecordType

    /// Nil where the name can't be one.
    var encoded: [UInt8]? {
        var bytes = Self.word(id)
        // Recursion is desired; one question.
        bytes += [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") {
            guard (1...63).contains(label.utf8.count) else { return nil }
            bytes.append(UInt8(label.utf8.count))
            bytes += label.utf8
        }
        return bytes + [0] + Self.word(type.rawValue) + Self.word(1)
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
}

/// What a name server's message says.
enum DNSReply: Hashable, Sendable {
    /// How long they may be used, in seconds.
    case addresses([IPAddress], ttl: UInt32)
    /// The name exists, and has no such address.
    case empty
    /// There is no such name.
    case noSuchName
    /// Too long for a datagram: ask over TCP.
    case truncated
    /// The server can't tell, by its code.
    case failed(code: UInt8)

    /// Nil where the bytes are not an answer to that question.
    init?(_ bytes: [UInt8], to question: DNSQuestion) {
        var reader = DNSReader(bytes: bytes)
        guard let id = reader.word(), let flags = reader.word(), let questions = reader.word(),
            let answers = reader.word(), reader.skip(4), id == question.id, flags & 0x8000 != 0, questions == 1,
            let name = reader.name(), name.lowercased() == question.name.lowercased(),
            reader.word() == question.type.rawValue, reader.word() == 1
        else { return nil }
        guard flags & 0x0200 == 0 else {
            self = .truncated
            return
        }
        switch UInt8(flags & 0xf) {
        case 0: break
        case 3:
            self = .noSuchName
            return
        case let code:
            self = .failed(code: code)
            return
        }
        var addresses: [IPAddress] = []
        var ttl = UInt32.max
        for _ in 0..<answers {
            guard reader.name() != nil, let type = reader.word(), reader.word() != nil, let high = reader.word(),
                let low = reader.word(), let length = reader.word(), let data = reader.bytes(Int(length))
            else { return nil }
            // The shortest of an alias's and the addresses' counts (RFC 2181, 8: a set sign bit means 0).
            let seconds = UInt32(high) << 16 | UInt32(low)
            ttl = min(ttl, seconds > Int32.max ? 0 : seconds)
            if type == question.type.rawValue, let address = IPAddress(networkBytes: data) { addresses.append(address) }
        }
        self = addresses.isEmpty ? .empty : .addresses(addresses, ttl: ttl)
    }
}

private struct DNSReader {
    let bytes: [UInt8]
    private var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func word() -> UInt16? {
        guard let pair = bytes(2) else { return nil }
        return UInt16(pair[0]) << 8 | UInt16(pair[1])
    }

    mutating func skip(_ count: Int) -> Bool { bytes(count) != nil }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard offset + count <= bytes.count else { return nil }
        defer { offset += count }
        return [UInt8](bytes[offset..<offset + count])
    }

    /// A name, which may go on elsewhere in the message (RFC 1035, 4.1.4); nil where it is broken or goes in circles.
    mutating func name() -> String? {
        var labels: [String] = []
        var place = offset
        var end: Int?
        for _ in 0..<128 {
            guard place < bytes.count else { return nil }
            let length = Int(bytes[place])
            switch length & 0xc0 {
            case 0 where length == 0:
                offset = end ?? place + 1
                return labels.joined(separator: ".")
            case 0:
                guard place + 1 + length <= bytes.count else { return nil }
                labels.append(String(decoding: bytes[place + 1..<place + 1 + length], as: UTF8.self))
                place += 1 + length
            case 0xc0:
                guard place + 1 < bytes.count else { return nil }
                end = end ?? place + 2
                place = (length & 0x3f) << 8 | Int(bytes[place + 1])
            default: return nil
            }
        }
        return nil
    }
}
