import Foundation

/// Splits a stream of bytes into lines.
struct LineSplitter {
    /// The limit on the length of a line, in bytes.
    ///
    /// etcd's limit for an object is 1.5 MB; its JSON is longer.
    static let longest = 32 << 20

    private var pending = Data()

    /// The number of bytes of a line that is still incomplete.
    var rest: Int { pending.count }

    mutating func append(_ bytes: Data) -> [Data] {
        var lines: [Data] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            pending.append(bytes[start..<end])
            if !pending.isEmpty { lines.append(pending) }
            pending = Data()
            start = bytes.index(after: end)
        }
        pending.append(bytes[start...])
        return lines
    }
}
