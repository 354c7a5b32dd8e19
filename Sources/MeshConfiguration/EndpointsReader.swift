public import Balancing
public import Foundation

/// Reads a cluster's endpoints file again and again, and parses only what changed.
///
/// Files that are written service by service, each under a line of its own (two spaces, the name, a colon), are
/// compared by these parts; parts that have a line for each pod, by their lines. Any other YAML is right too, and
/// parsed as a whole.
public struct EndpointsReader: Sendable {
    /// What a reading found.
    public enum Reading: Hashable, Sendable {
        /// All pods of all services.
        case everything([ServiceName: [Pod]])
        /// All pods of the services of which something changed since the last reading.
        case changes([ServiceName: [Pod]])
    }

    /// A service's part of a file.
    private struct Part {
        var range: Range<Int>
        var service: ServiceName
        var pods: [Pod]
    }

    private struct Known {
        var text: Data
        /// In the order of the file.
        var parts: [Part]
    }

    private let file: String
    private var known: Known?

    /// - Parameter file: for errors.
    public init(file: String) { self.file = file }

    /// Reads the file's bytes.
    ///
    /// After an error the last good reading still counts.
    public mutating func read(_ data: Data) throws(ConfigurationError) -> Reading {
        let ranges = TextParts.services(of: data)
        if let known, let ranges, let (parts, changed) = update(known, to: data, ranges) {
            self.known = Known(text: data, parts: parts)
            return .changes(Dictionary(changed.map { ($0.service, $0.pods) }, uniquingKeysWith: { $1 }))
        }
        let (pods, services) = try EndpointsFile.read(TextFile.text(of: data, file: file), file: file)
        known = nil
        if let ranges, ranges.count == services.count {
            let parts = zip(ranges, services).map { Part(range: $0, service: $1, pods: pods[$1] ?? []) }
            known = Known(text: data, parts: parts)
        }
        return .everything(pods)
    }

    /// All parts, and those that changed.
    ///
    /// Nil where the file has to be read as a whole, to find what is there or what is wrong.
    private func update(_ known: Known, to text: Data, _ ranges: [Range<Int>]) -> (all: [Part], changed: [Part])? {
        guard ranges.count == known.parts.count else { return nil }
        var parts = known.parts
        var changed: [Part] = []
        for (index, range) in ranges.enumerated() {
            let last = known.parts[index]
            parts[index].range = range
            guard text[range] != known.text[last.range] else { continue }
            let service = last.service
            guard
                let pods = update(last, of: known.text, to: text, range) ?? Self.pods(of: service, in: text, [range])
            else { return nil }
            parts[index].pods = pods
            changed.append(parts[index])
        }
        return (parts, changed)
    }

    /// A part's pods, of which only those lines are parsed that differ.
    private func update(_ last: Part, of known: Data, to text: Data, _ range: Range<Int>) -> [Pod]? {
        guard let old = TextParts.pods(of: known, in: last.range), let new = TextParts.pods(of: text, in: range),
            old.lines.count == last.pods.count, known[old.key] == text[new.key]
        else { return nil }
        let shorter = min(old.lines.count, new.lines.count)
        var head = 0
        while head < shorter, known[old.lines[head]] == text[new.lines[head]] { head += 1 }
        var tail = 0
        while tail < shorter - head,
            known[old.lines[old.lines.count - 1 - tail]] == text[new.lines[new.lines.count - 1 - tail]]
        {
            tail += 1
        }
        let lines = Array(new.lines[head..<new.lines.count - tail])
        guard let pods = lines.isEmpty ? [] : Self.pods(of: last.service, in: text, [new.key] + lines) else {
            return nil
        }
        let (names, addresses) = (Set(pods.map(\.name)), Set(pods.map(\.address)))
        let kept = last.pods.prefix(head) + last.pods.suffix(tail)
        guard !kept.contains(where: { names.contains($0.name) || addresses.contains($0.address) }) else { return nil }
        return last.pods.prefix(head) + pods + last.pods.suffix(tail)
    }

    /// The pods in pieces of text that are a service's part, or nil.
    private static func pods(of service: ServiceName, in text: Data, _ pieces: [Range<Int>]) -> [Pod]? {
        let part = pieces.map { String(decoding: text[$0], as: UTF8.self) }.joined()
        let pods = try? EndpointsFile(text: "services:\n" + part, file: "").pods
        return pods?.count == 1 ? pods?[service] : nil
    }
}

/// Finds the parts of an endpoints file by their layout.
private enum TextParts {
    /// Where each service is.
    ///
    /// Nil where the text isn't laid out so, or where one part may mean something to another (anchors).
    static func services(of data: Data) -> [Range<Int>]? {
        let bytes = data.span
        var starts: [Int] = []
        var hasHeader = false
        var line = 0
        var isPlain = true
        while line < bytes.count {
            var end = line
            while end < bytes.count, bytes[end] != newline {
                isPlain = isPlain && bytes[end] != anchor && bytes[end] != alias
                end += 1
            }
            switch end > line ? bytes[line] : hash {
            case hash, carriageReturn: break
            case space:
                guard end - line > 2, bytes[line + 1] == space else { break }
                let first = bytes[line + 2]
                guard first != space, first != hash, first != dash, first != carriageReturn else { break }
                guard hasHeader else { return nil }
                starts.append(line)
            default:
                guard !hasHeader, data[line..<end] == header else { return nil }
                hasHeader = true
            }
            line = end + 1
        }
        guard isPlain, !starts.isEmpty else { return nil }
        return zip(starts, starts.dropFirst() + [bytes.count]).map { $0..<$1 }
    }

    /// A service's first line, and the lines of its pods, with their ends.
    ///
    /// Nil where there is anything else than pods in braces, a line for each.
    static func pods(of data: Data, in part: Range<Int>) -> (key: Range<Int>, lines: [Range<Int>])? {
        let bytes = data.span
        var lines: [Range<Int>] = []
        var line = part.lowerBound
        while line < part.upperBound {
            var end = line
            while end < part.upperBound, bytes[end] != newline { end += 1 }
            if line > part.lowerBound {
                var first = line
                while first < end, bytes[first] == space { first += 1 }
                guard end - first > 4, bytes[first] == dash, bytes[first + 1] == space,
                    bytes[first + 2] == opening, bytes[end - 1] == closing
                else { return nil }
            }
            let next = min(end + 1, part.upperBound)
            lines.append(line..<next)
            line = next
        }
        return lines.isEmpty ? nil : (lines.removeFirst(), lines)
    }

    private static let header = Data("services:".utf8)
    private static let newline = UInt8(ascii: "\n")
    private static let space = UInt8(ascii: " ")
    private static let hash = UInt8(ascii: "#")
    private static let dash = UInt8(ascii: "-")
    private static let opening = UInt8(ascii: "{")
    private static let closing = UInt8(ascii: "}")
    private static let anchor = UInt8(ascii: "&")
    private static let alias = UInt8(ascii: "*")
    private static let carriageReturn = UInt8(ascii: "\r")
}
