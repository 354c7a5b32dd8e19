import Foundation

/// Cuts a stream of bytes into lines.
struct LineSplitter {
    /// etcd takes objects of 1.5 MB at most; JSON is longer.
    static let longest = 32 << 20

    private var pending = Data()

    /// How much of a line has come without its end.
    var rest: Int { pending.count }

    mutating func take(_ bytes: Data) -> [Data] {
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
