public import Foundation
import Model
import XXHash
public import YAMLFile

/// Reads an endpoints file repeatedly, and parses only the lines that are new.
///
/// The layout that tools write is read line by line: `services:`, each service's name on a line of its own, and below
/// it each pod as `- {…}` on one line. A service whose lines have not changed costs one hash; of any other, the YAML
/// parser reads the lines that the file did not have before. Any other YAML is valid, too, and is parsed as a whole.
public struct EndpointsReader: Sendable {
    /// One service in the file.
    private struct Part {
        /// The hash of all its lines.
        var hash: UInt64
        /// The hash of each pod's line, in the order of the pods.
        var lineHashes: [UInt64]
        var pods: [Pod]
        var lines: EndpointsFile.Lines
    }

    private let file: String
    /// The services of the last successful reading; none if the file had another layout.
    private var parts: [ServiceName: Part] = [:]

    /// - Parameter file: the path used in errors.
    public init(file: String) { self.file = file }

    /// Reads the file's bytes.
    public mutating func read(_ data: Data) throws(ConfigurationError) -> EndpointsFile {
        let bytes = [UInt8](data)
        guard let parts = parts(of: bytes) else {
            let read = try EndpointsFile(text: TextFile.text(of: data, file: file), file: file)
            self.parts = [:]
            return read
        }
        self.parts = parts
        return EndpointsFile(pods: parts.mapValues(\.pods), lines: parts.mapValues(\.lines))
    }

    /// Nil if the file has another layout, or a mistake: then it is parsed as a whole.
    private func parts(of bytes: [UInt8]) -> [ServiceName: Part]? {
        var parts: [ServiceName: Part] = [:]
        var lines = EndpointsLines(bytes)
        guard lines.skipHeader() else { return nil }
        while let name = lines.nextService() {
            guard let name, parts[name] == nil else { return nil }
            guard let pods = lines.pods(), let first = pods.first, let last = pods.last else { return nil }
            let hash = xxHash64(bytes, in: first.range.lowerBound..<last.range.upperBound)
            if var known = self.parts[name], known.hash == hash {
                known.lines.first = first.number
                parts[name] = known
                continue
            }
            guard let part = part(name, pods, of: bytes, hash) else { return nil }
            parts[name] = part
        }
        return parts.isEmpty || !lines.hasPlainComments ? nil : parts
    }

    /// A service that changed: only the lines between the unchanged first and last ones are parsed.
    private func part(
        _ name: ServiceName, _ found: [EndpointsLines.Pod], of bytes: [UInt8], _ hash: UInt64
    ) -> Part? {
        let hashes = found.map { xxHash64(bytes, in: $0.range) }
        let last = parts[name]
        let known = last?.lineHashes ?? []
        let shorter = min(known.count, hashes.count)
        var head = 0
        while head < shorter, known[head] == hashes[head] { head += 1 }
        var tail = 0
        while tail < shorter - head, known[known.count - 1 - tail] == hashes[hashes.count - 1 - tail] { tail += 1 }

        var new: [Pod] = []
        var check = EndpointsFile.UniquePods()
        for (range, _) in found[head..<found.count - tail] {
            guard let pod = Self.pod(bytes[range]), check.insert(pod) == nil else { return nil }
            new.append(pod)
        }
        let (first, rest) = (last?.pods.prefix(head) ?? [], last?.pods.suffix(tail) ?? [])
        guard !first.contains(where: check.conflicts(with:)), !rest.contains(where: check.conflicts(with:)) else {
            return nil
        }
        let number = found[0].number
        return Part(
            hash: hash, lineHashes: hashes, pods: first + new + rest,
            lines: EndpointsFile.Lines(first: number, offsets: found.map { $0.number - number }))
    }

    private static func pod(_ line: ArraySlice<UInt8>) -> Pod? {
        // An anchor or an alias refers to another line.
        guard !line.contains(UInt8(ascii: "&")), !line.contains(UInt8(ascii: "*")),
            let text = String(validating: line, as: UTF8.self),
            let list = try? YAMLReader(text: text, file: "").list(), list.count == 1
        else { return nil }
        return try? Pod(list[0])
    }
}

/// Finds services and pods in the lines of an endpoints file.
private struct EndpointsLines {
    typealias Pod = (range: Range<Int>, number: Int)

    private let bytes: [UInt8]
    /// The range of the current line, without its end.
    private var line = 0..<0
    /// The current line, counted from 1.
    private(set) var number = 0
    /// Whether all comments so far are printable ASCII without asterisks.
    ///
    /// The parser refuses a file for what isn't text in a comment, too, and the limit on aliases counts them there.
    private(set) var hasPlainComments = true

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Skips `services:`; false if the file doesn't start with it.
    mutating func skipHeader() -> Bool {
        advance()
        return bytes[line].elementsEqual("services:".utf8)
    }

    /// The next service's name; the inner optional is nil if the line is none.
    mutating func nextService() -> ServiceName?? {
        advance()
        guard !line.isEmpty else { return nil }
        let text = bytes[line]
        guard text.count > 3, text.starts(with: "  ".utf8), text.last == UInt8(ascii: ":") else { return .some(nil) }
        let name = text.dropFirst(2).dropLast()
        // Other characters may have a meaning in YAML, and libyaml limits the length of keys to 1,024.
        guard name.count <= 1_000, name.allSatisfy(Self.isPlain), name.contains(where: Self.isLetter) else {
            return .some(nil)
        }
        return .some(ServiceName(rawValue: String(decoding: name, as: UTF8.self)))
    }

    /// The lines of a service's pods; nil if it has none, or they have another layout.
    mutating func pods() -> [Pod]? {
        var pods: [Pod] = []
        while true {
            let (before, beforeNumber) = (line, number)
            advance()
            guard starts(with: Self.indent) else {
                (line, number) = (before, beforeNumber)
                return pods.isEmpty ? nil : pods
            }
            guard starts(with: Self.pod), bytes[line.upperBound - 1] == UInt8(ascii: "}") else { return nil }
            pods.append((line, number))
        }
    }

    /// Goes to the next line that is not empty and not a comment; the line is empty at the end.
    private mutating func advance() {
        var start = line.upperBound
        repeat {
            if number > 0, start < bytes.count { start += 1 }
            guard start < bytes.count else {
                line = bytes.count..<bytes.count
                return
            }
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            line = start..<end
            number += 1
            start = end
            if !line.isEmpty, bytes[line.lowerBound] == UInt8(ascii: "#") {
                hasPlainComments = hasPlainComments && bytes[line].allSatisfy(Self.isPlainInComment)
            }
        } while line.isEmpty || bytes[line.lowerBound] == UInt8(ascii: "#")
    }

    private static let indent = [UInt8]("    ".utf8)
    private static let pod = [UInt8]("    - {".utf8)

    private func starts(with prefix: [UInt8]) -> Bool {
        guard line.count >= prefix.count else { return false }
        for (index, byte) in prefix.enumerated() where bytes[line.lowerBound + index] != byte { return false }
        return true
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }

    private static func isPlainInComment(_ byte: UInt8) -> Bool {
        ((0x20...0x7e).contains(byte) || byte == 9) && byte != UInt8(ascii: "*")
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
    }
}
