public import Foundation
public import Model
public import YAMLFile

/// Reads a cluster's endpoints file repeatedly, and parses only what changed.
///
/// Recognizes files in which each service is written under a line of its own (two spaces, the name, a colon). Their
/// services are compared as text; if each pod has a line of its own, only changed lines are parsed. Any other YAML is
/// valid too, but is parsed as a whole.
public struct EndpointsReader: Sendable {
    /// The result of reading the file.
    public enum Reading: Hashable, Sendable {
        /// All pods of all services.
        case everything([ServiceName: [Pod]])
        /// All pods of the services that changed since the last reading.
        case changes([ServiceName: [Pod]])
    }

    /// The text of one service in the file.
    private struct Part {
        var range: Range<Int>
        var service: ServiceName
        var pods: [Pod]
        /// Whether each pod is known to have a line of its own, in the order of `pods`.
        var hasLines = false
    }

    private struct Known {
        var text: Data
        /// The parts, in the order of the file.
        var parts: [Part]
    }

    private let file: String
    private var known: Known?
    /// The file's bytes at the last successful reading.
    private var text = Data()

    /// - Parameter file: the path used in errors.
    public init(file: String) { self.file = file }

    /// Reads the file's bytes.
    ///
    /// After an error, the next call still compares with the last successful reading.
    public mutating func read(_ data: Data) throws(ConfigurationError) -> Reading {
        if let known, let (parts, changed) = update(known, to: data) {
            self.known = Known(text: data, parts: parts)
            text = data
            return .changes(Dictionary(changed.map { ($0.service, $0.pods) }, uniquingKeysWith: { $1 }))
        }
        let (pods, services) = try EndpointsFile.read(TextFile.text(of: data, file: file), file: file)
        known = nil
        text = data
        if let ranges = TextParts.services(of: data, in: 0..<data.count), ranges.count == services.count {
            let parts = zip(ranges, services).map { Part(range: $0, service: $1, pods: pods[$1] ?? []) }
            known = Known(text: data, parts: parts)
        }
        return .everything(pods)
    }

    /// The line of each pod of a service in the last successful reading, by pod name; counted from 1.
    public func lines(of service: ServiceName) -> [String: Int] {
        guard let part = known?.parts.first(where: { $0.service == service }) else {
            return (try? EndpointsFile.lines(of: service, in: TextFile.text(of: text, file: file))) ?? [:]
        }
        // Parses the service's part alone, after one line for the header.
        let before = TextParts.lines(of: text, in: 0..<part.range.lowerBound)
        let alone = "services:\n" + String(decoding: text[part.range], as: UTF8.self)
        return ((try? EndpointsFile.lines(of: service, in: alone)) ?? [:]).mapValues { $0 + before - 1 }
    }

    /// All parts, and those that changed.
    ///
    /// Nil if the file has to be parsed as a whole, to find what was added or what is wrong.
    private func update(_ known: Known, to text: Data) -> (all: [Part], changed: [Part])? {
        // Text before the first difference and after the last one is not searched for parts.
        let (head, tail) = TextParts.common(known.text, text)
        // Lines between two services belong to the first one.
        let first = known.parts.partitioningIndex { $0.range.upperBound >= head }
        let last = known.parts.partitioningIndex { $0.range.lowerBound >= known.text.count - tail }
        guard first < last else { return text == known.text ? (known.parts, []) : nil }
        let shift = text.count - known.text.count
        if last == first + 1, let part = updateLines(of: known.parts[first], of: known.text, to: text, head, tail) {
            var parts = known.parts
            parts[first] = part
            Self.move(&parts[last...], by: shift)
            return (parts, [part])
        }
        let start = known.parts[first].range.lowerBound
        let end = last < known.parts.count ? known.parts[last].range.lowerBound + shift : text.count
        // A difference before the first service is in the header.
        guard start <= head || text.prefix(start) == known.text.prefix(start), start < end,
            let ranges = TextParts.services(of: text, in: start..<end), ranges.count == last - first
        else { return nil }
        var parts = known.parts
        var changed: [Part] = []
        for (index, range) in zip(first..<last, ranges) {
            let old = known.parts[index]
            parts[index].range = range
            guard text[range] != known.text[old.range] else { continue }
            if let pods = update(old, of: known.text, to: text, range) {
                (parts[index].pods, parts[index].hasLines) = (pods, true)
            } else if let pods = Self.pods(of: old.service, in: text, [range]) {
                (parts[index].pods, parts[index].hasLines) = (pods, false)
            } else {
                return nil
            }
            changed.append(parts[index])
        }
        Self.move(&parts[last...], by: shift)
        return (parts, changed)
    }

    private static func move(_ parts: inout ArraySlice<Part>, by shift: Int) {
        guard shift != 0 else { return }
        for index in parts.indices {
            let range = parts[index].range
            parts[index].range = range.lowerBound + shift..<range.upperBound + shift
        }
    }

    /// A part in which only some pods' lines changed; parses only these lines.
    ///
    /// Nil if more than that changed.
    ///
    /// - Parameters:
    ///   - head: the number of leading bytes that both texts share.
    ///   - tail: the number of trailing bytes that both texts share.
    private func updateLines(of last: Part, of known: Data, to text: Data, _ head: Int, _ tail: Int) -> Part? {
        let shift = text.count - known.count
        let (start, oldEnd, newEnd) = (last.range.lowerBound, last.range.upperBound, last.range.upperBound + shift)
        guard last.hasLines, head > start, newEnd > start else { return nil }
        let (first, rest) = (head, min(known.count - tail, oldEnd))
        let headLines = TextParts.lines(of: known, in: start..<first) - 1
        let kept = last.pods.count - TextParts.lines(of: known, in: rest..<oldEnd)
        guard headLines >= 0, kept >= headLines, rest + shift >= first,
            let lines = TextParts.podLines(of: text, in: first..<rest + shift),
            TextParts.isPlain(text, in: first..<rest + shift)
        else { return nil }
        let key = start..<TextParts.lineStart(after: start + 1, in: text, until: newEnd)
        // The first unchanged line, the first changed line, and the first line after the changes.
        let places = [key.upperBound, first, rest + shift].filter { $0 < newEnd }
        guard Set(places.map { TextParts.indentation(at: $0, in: text) }).count <= 1,
            let pods = merge(
                last.pods[..<headLines], lines, last.pods[kept...], key: key, of: last.service, in: text)
        else { return nil }
        return Part(range: start..<newEnd, service: last.service, pods: pods, hasLines: true)
    }

    /// The pods of a part, of which only changed lines are parsed.
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
        return merge(
            last.pods.prefix(head), Array(new.lines[head..<new.lines.count - tail]), last.pods.suffix(tail),
            key: new.key, of: last.service, in: text)
    }

    /// Unchanged pods before and after newly parsed lines; nil if a name or address would occur twice, or no pod is
    /// left.
    private func merge(
        _ head: ArraySlice<Pod>, _ lines: [Range<Int>], _ tail: ArraySlice<Pod>, key: Range<Int>,
        of service: ServiceName, in text: Data
    ) -> [Pod]? {
        guard let pods = lines.isEmpty ? [] : Self.pods(of: service, in: text, [key] + lines) else { return nil }
        let (names, addresses) = (Set(pods.map(\.name)), Set(pods.map(\.address)))
        let isTaken =
            if let only = pods.first, pods.count == 1 {
                { (pod: Pod) in pod.address == only.address || pod.name == only.name }
            } else {
                { (pod: Pod) in addresses.contains(pod.address) || names.contains(pod.name) }
            }
        guard !head.contains(where: isTaken), !tail.contains(where: isTaken) else { return nil }
        // A service without pods is no longer a YAML list.
        return head.isEmpty && pods.isEmpty && tail.isEmpty ? nil : head + pods + tail
    }

    /// The pods of text pieces that together form a service's part; nil if they don't.
    private static func pods(of service: ServiceName, in text: Data, _ pieces: [Range<Int>]) -> [Pod]? {
        let part = pieces.map { String(decoding: text[$0], as: UTF8.self) }.joined()
        let pods = try? EndpointsFile(text: "services:\n" + part, file: "").pods
        return pods?.count == 1 ? pods?[service] : nil
    }
}

/// Finds services and pods in an endpoints file by their layout.
private enum TextParts {
    /// The number of leading bytes that two texts share, and of trailing bytes beyond these, rounded down to whole
    /// lines.
    static func common(_ left: Data, _ right: Data) -> (head: Int, tail: Int) {
        let shorter = min(left.count, right.count)
        let blocks = [16 * 1024, 512, 16, 1]
        var head = 0
        for block in blocks {
            while head + block <= shorter, left[head..<head + block] == right[head..<head + block] { head += block }
        }
        var tail = 0
        for block in blocks {
            while head + tail + block <= shorter,
                left[left.count - tail - block..<left.count - tail]
                    == right[right.count - tail - block..<right.count - tail]
            {
                tail += block
            }
        }
        while head > 0, left.span[head - 1] != newline { head -= 1 }
        while tail > 0, !isLineStart(left.count - tail, in: left) || !isLineStart(right.count - tail, in: right) {
            tail -= 1
        }
        return (head, tail)
    }

    /// The start of the first line at or after a nonzero offset; `end` if there is none before it.
    static func lineStart(after offset: Int, in data: Data, until end: Int) -> Int {
        let bytes = data.span
        var start = offset
        while start < end, bytes[start - 1] != newline { start += 1 }
        return min(start, end)
    }

    /// Whether a line starts at the offset.
    static func isLineStart(_ offset: Int, in data: Data) -> Bool {
        offset == 0 || data.span[offset - 1] == newline
    }

    /// The number of spaces at the start of a line.
    static func indentation(at start: Int, in data: Data) -> Int {
        let bytes = data.span
        var end = start
        while end < bytes.count, bytes[end] == space { end += 1 }
        return end - start
    }

    /// The number of lines in a range that starts at a line start.
    static func lines(of data: Data, in range: Range<Int>) -> Int {
        guard !range.isEmpty else { return 0 }
        let bytes = data.span
        var count = 0
        for index in range.lowerBound..<range.upperBound - 1 where bytes[index] == newline { count += 1 }
        return count + 1
    }

    /// Whether the text has no anchors or aliases, by which one line can refer to another.
    static func isPlain(_ data: Data, in range: Range<Int>) -> Bool {
        let bytes = data.span
        return !range.contains { bytes[$0] == anchor || bytes[$0] == alias }
    }

    /// The range of each service, in the whole text or in whole lines of it.
    ///
    /// Nil if the text has another layout, or has anchors or aliases, by which one part can refer to another.
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

    /// The first line of a service and the lines of its pods, each with its line end.
    ///
    /// Nil if there is anything but pods in braces, one in each line.
    static func pods(of data: Data, in part: Range<Int>) -> (key: Range<Int>, lines: [Range<Int>])? {
        let first = lineStart(after: part.lowerBound + 1, in: data, until: part.upperBound)
        guard let lines = podLines(of: data, in: first..<part.upperBound) else { return nil }
        return (part.lowerBound..<first, lines)
    }

    /// The lines of pods, each with its line end.
    ///
    /// Nil if there is anything but pods in braces, one in each line, all with the same indentation.
    static func podLines(of data: Data, in range: Range<Int>) -> [Range<Int>]? {
        let bytes = data.span
        var lines: [Range<Int>] = []
        var line = range.lowerBound
        while line < range.upperBound {
            var end = line
            while end < range.upperBound, bytes[end] != newline { end += 1 }
            var first = line
            while first < end, bytes[first] == space { first += 1 }
            guard first > line, first - line == indentation(at: range.lowerBound, in: data), end - first > 4,
                bytes[first] == dash, bytes[first + 1] == space,
                bytes[first + 2] == opening, bytes[end - 1] == closing
            else { return nil }
            let next = min(end + 1, range.upperBound)
            lines.append(line..<next)
            line = next
        }
        return lines
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
    /// The first index from which on all elements fulfil the condition; the array must be partitioned by it.
    fileprivate func partitioningIndex(where isSecond: (Element) -> Bool) -> Int {
        var range = startIndex..<endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isSecond(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
