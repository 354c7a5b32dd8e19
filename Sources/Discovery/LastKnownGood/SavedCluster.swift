public import Foundation
public import Model

/// What is known of one cluster, as it is kept for the next start.
public struct SavedCluster: Hashable, Sendable {
    /// Where it was learned, for people.
    public var source: String
    /// When the source last said that it is so.
    public var confirmed: Date
    /// As served: held endpoints are among them.
    public var pods: [ServiceName: [Pod]]
    /// As configured or told; nil where they were not known.
    public var gateways: [Gateway]?
    /// The addresses of the host names among them.
    public var resolved: [String: [IPAddress]]

    /// What is known of a cluster.
    public init(
        source: String, confirmed: Date, pods: [ServiceName: [Pod]], gateways: [Gateway]?,
        resolved: [String: [IPAddress]]
    ) {
        self.source = source
        self.confirmed = confirmed
        self.pods = pods
        self.gateways = gateways
        self.resolved = resolved
    }
}

/// A state file that can't be used.
public struct StateFileError: Error, Hashable, CustomStringConvertible {
    /// What is wrong with it.
    public let description: String

    static let broken = StateFileError(description: "its content makes no sense, though its checksum is right")
}

/// A state file: one line of text, `ballast-state VERSION BYTES CHECKSUM`, and then that many bytes.
///
/// The checksum is FNV-1a's, of 64 bits, over the bytes. The bytes are numbers (LEB128) and texts (their length, then
/// UTF-8), in the order of `SavedCluster`'s fields; services and names are sorted, so that equal states are equal files.
extension SavedCluster {
    private static let magic = "ballast-state"
    /// What this program writes, and all that it reads.
    private static let version = 1

    /// The file's bytes.
    public var encoded: Data {
        var writer = StateWriter()
        writer.text(source)
        writer.number(UInt64(max(0, confirmed.timeIntervalSince1970) * 1_000))
        writer.list(pods.sorted { $0.key < $1.key }) { writer, entry in
            writer.text(entry.key.rawValue)
            writer.list(entry.value) { $0.pod($1) }
        }
        writer.number(gateways == nil ? 0 : 1)
        writer.list(gateways ?? []) { $0.text($1.description) }
        writer.list(resolved.sorted { $0.key < $1.key }) { writer, entry in
            writer.text(entry.key)
            writer.list(entry.value) { $0.text($1.description) }
        }
        let sum = String(checksum(writer.bytes), radix: 16)
        let header = "\(Self.magic) \(Self.version) \(writer.bytes.count) \(sum)\n"
        return Data(header.utf8) + Data(writer.bytes)
    }

    /// Reads a file's bytes, all or nothing.
    public init(_ data: Data) throws(StateFileError) {
        guard data.starts(with: Data("\(Self.magic) ".utf8)), let end = data.firstIndex(of: UInt8(ascii: "\n")) else {
            throw StateFileError(description: "it is no state file of Ballast's")
        }
        let words = String(decoding: data[..<end], as: UTF8.self).split(separator: " ")
        guard words.count > 1, let version = Int(words[1]), version <= Self.version else {
            throw StateFileError(
                description: "it has the format of a newer Ballast: \(words.dropFirst().first ?? ""); this one reads 1")
        }
        let body = [UInt8](data[data.index(after: end)...])
        guard words.count == 4, Int(words[2]) == body.count, UInt64(words[3], radix: 16) == checksum(body) else {
            throw StateFileError(description: "it is torn or damaged: its length or its checksum is wrong")
        }
        var reader = StateReader(bytes: body)
        source = try reader.text()
        confirmed = Date(timeIntervalSince1970: Double(try reader.number()) / 1_000)
        pods = [:]
        for _ in 0..<(try reader.count()) {
            let name = ServiceName(rawValue: try reader.text())
            var list: [Pod] = []
            for _ in 0..<(try reader.count()) { list.append(try reader.pod()) }
            pods[name] = list
        }
        let hasGateways = try reader.number() == 1
        var list: [Gateway] = []
        for _ in 0..<(try reader.count()) {
            guard let gateway = Gateway(try reader.text()) else { throw .broken }
            list.append(gateway)
        }
        gateways = hasGateways ? list : nil
        resolved = [:]
        for _ in 0..<(try reader.count()) {
            let name = try reader.text()
            for _ in 0..<(try reader.count()) {
                guard let address = IPAddress(try reader.text()) else { throw .broken }
                resolved[name, default: []].append(address)
            }
        }
        guard reader.isAtEnd else { throw .broken }
    }
}

private func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}

private struct StateWriter {
    var bytes: [UInt8] = []

    mutating func number(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func text(_ text: String) {
        number(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func list<Element>(_ list: [Element], _ write: (inout StateWriter, Element) -> Void) {
        number(UInt64(list.count))
        for element in list { write(&self, element) }
    }

    mutating func pod(_ pod: Pod) {
        text(pod.name)
        text(pod.address.description)
        number(UInt64(pod.weight.value))
        text(pod.zone ?? "")
        text(pod.health.rawValue)
    }
}

private struct StateReader {
    let bytes: [UInt8]
    private var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func number() throws(StateFileError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard offset < bytes.count else { throw .broken }
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .broken
    }

    /// Each element of a list is at least a byte.
    mutating func count() throws(StateFileError) -> Int {
        guard let count = Int(exactly: try number()), count <= bytes.count - offset else { throw .broken }
        return count
    }

    mutating func text() throws(StateFileError) -> String {
        let count = try count()
        defer { offset += count }
        return String(decoding: bytes[offset..<offset + count], as: UTF8.self)
    }

    mutating func pod() throws(StateFileError) -> Pod {
        let name = try text()
        guard let address = SocketAddress(try text()), let weight = Int(exactly: try number()).flatMap(Weight.init)
        else { throw .broken }
        let zone = try text()
        guard let health = Pod.Health(rawValue: try text()) else { throw .broken }
        return Pod(name: name, address: address, weight: weight, zone: zone.isEmpty ? nil : zone, health: health)
    }
}
