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
        if let known, let (parts, changed) = update(known, to: data) {
            self.known = Known(text: data, parts: parts)
            return .changes(Dictionary(changed.map { ($0.service, $0.pods) }, uniquingKeysWith: { $1 }))
        }
        let (pods, services) = try EndpointsFile.read(TextFile.text(of: data, file: file), file: file)
        known = nil
        if let ranges = TextParts.services(of: data, in: 0..<data.count), ranges.count == services.count {
            let parts = zip(ranges, services).map { Part(range: $0, service: $1, pods: pods[$1] ?? []) }
            known = Known(text: data, parts: parts)
        }
        return .everything(pods)
    }

    /// All parts, and those that changed.
    ///
    /// Nil where the file has to be read as a whole, to find what is there or what is wrong.
    private func update(_ known: Known, to text: Data) -> (all: [Part], changed: [Part])? {
        // What lies before the first difference and after the last one is not even looked for parts.
        let (head, tail) = TextParts.common(known.text, text)
        let first = known.parts.partitioningIndex { $0.range.upperBound > head }
        let last = known.parts.partitioningIndex { $0.range.lowerBound > known.text.count - tail }
        guard first < last else { return text == known.text ? (known.parts, []) : nil }
        let shift = text.count - known.text.count
        let start = known.parts[first].range.lowerBound
        let end = last < known.parts.count ? known.parts[last].range.lowerBound + shift : text.count
        // A difference before the first service is one of the header.
        guard start <= head || text.prefix(start) == known.text.prefix(start), start < end,
            let ranges = TextParts.services(of: text, in: start..<end), ranges.count == last - first
        else { return nil }
        var parts = known.parts
        var changed: [Part] = []
        for (index, range) in zip(first..<last, ranges) {
            let old = known.parts[index]
            parts[index].range = range
            guard text[range] != known.text[old.range] else { continue }
            guard
                let pods = update(old, of: known.text, to: text, range)
                    ?? Self.pods(of: old.service, in: text, [range])
            else { return nil }
            parts[index].pods = pods
            changed.append(parts[index])
        }
        if shift != 0 {
            for index in last..<parts.count {
                let range = parts[index].range
                parts[index].range = range.lowerBound + shift..<range.upperBound + shift
            }
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
    /// How many bytes two texts have in common at their beginnings and, apart from these, at their ends.
    ///
    /// Not all of them: blocks are compared as a whole.
    static func common(_ left: Data, _ right: Data) -> (head: Int, tail: Int) {
        let shorter = min(left.count, right.count)
        let block = 16 * 1024
        var head = 0
        while head + block <= shorter, left[head..<head + block] == right[head..<head + block] { head += block }
        var tail = 0
        while head + tail + block <= shorter,
            left[left.count - tail - block..<left.count - tail]
                == right[right.count - tail - block..<right.count - tail]
        {
            tail += block
        }
        return (head, tail)
    }

    /// Where each service is, in a file's text from its beginning, or in whole lines of it.
    ///
    /// Nil where the text isn't laid out so, or where one part may mean something to another (anchors).
    static func services(of data: Data, in range: Range<Int>) -> [Range<Int>]? {
        let bytes = data.span
        var starts: [Int] = []
        var hasHeader = range.lowerBound > 0
        var line = range.lowerBound
        var isPlain = true
        while line < range.upperBound {
            var end = line
            while end < range.upperBound, bytes[end] != newline {
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
        return zip(starts, starts.dropFirst() + [range.upperBound]).map { $0..<$1 }
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

extension Array {
    /// The first index whose element, and all after it, fulfil the condition.
    fileprivate func partitioningIndex(where isSecond: (Element) -> Bool) -> Int {
        var range = startIndex..<endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isSecond(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
