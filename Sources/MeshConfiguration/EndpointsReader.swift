public import Balancing
public import Foundation

/// Reads a cluster's endpoints file again and again, and parses only what changed.
///
/// Files that are written service by service, each under a line of its own (two spaces, the name, a colon), are
/// compared by these parts. Any other YAML is right too, and parsed as a whole.
public struct EndpointsReader: Sendable {
    /// What a reading found.
    public enum Reading: Hashable, Sendable {
        /// All pods of all services.
        case everything([ServiceName: [Pod]])
        /// All pods of the services of which something changed since the last reading.
        case changes([ServiceName: [Pod]])
    }

    /// A file's text, and where its services are in it.
    private struct Known {
        var text: Data
        var parts: [Range<Int>]
        /// In the order of the file.
        var services: [ServiceName]
    }

    private let file: String
    private var known: Known?

    /// - Parameter file: for errors.
    public init(file: String) { self.file = file }

    /// Reads the file's bytes.
    ///
    /// After an error the last good reading still counts.
    public mutating func read(_ data: Data) throws(ConfigurationError) -> Reading {
        let parts = Self.parts(of: data)
        if let known, let parts, let changes = changes(in: data, parts, since: known) {
            self.known = Known(text: data, parts: parts, services: known.services)
            return .changes(changes)
        }
        let (pods, services) = try EndpointsFile.read(TextFile.text(of: data, file: file), file: file)
        known = parts?.count == services.count ? Known(text: data, parts: parts ?? [], services: services) : nil
        return .everything(pods)
    }

    /// Nil where the file has to be read as a whole, to find what is there or what is wrong.
    private func changes(in data: Data, _ parts: [Range<Int>], since known: Known) -> [ServiceName: [Pod]]? {
        guard parts.count == known.parts.count else { return nil }
        var changes: [ServiceName: [Pod]] = [:]
        for (index, part) in parts.enumerated() where data[part] != known.text[known.parts[index]] {
            guard let text = String(data: data[part], encoding: .utf8),
                let pods = try? EndpointsFile(text: "services:\n" + text, file: file).pods,
                pods.count == 1, let list = pods[known.services[index]]
            else { return nil }
            changes[known.services[index]] = list
        }
        return changes
    }

    /// Where each service is; nil where the text isn't laid out so.
    ///
    /// YAML has no key of the mapping under `services` that doesn't begin such a line, unless a part is no YAML by itself.
    private static func parts(of data: Data) -> [Range<Int>]? {
        let bytes = data.span
        var starts: [Int] = []
        var hasHeader = false
        var line = 0
        while line < bytes.count {
            var end = line
            while end < bytes.count, bytes[end] != newline { end += 1 }
            switch end > line ? bytes[line] : hash {
            case hash, carriageReturn: break
            case space:
                guard end - line > 2, bytes[line + 1] == space else { break }
                guard ![space, hash, dash, carriageReturn].contains(bytes[line + 2]) else { break }
                guard hasHeader else { return nil }
                starts.append(line)
            default:
                guard !hasHeader, matches(header, bytes, line..<end) else { return nil }
                hasHeader = true
            }
            line = end + 1
        }
        guard !starts.isEmpty else { return nil }
        return zip(starts, starts.dropFirst() + [bytes.count]).map { $0..<$1 }
    }

    private static func matches(_ text: [UInt8], _ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count == text.count else { return false }
        for (index, byte) in text.enumerated() where bytes[range.lowerBound + index] != byte { return false }
        return true
    }

    private static let header = Array("services:".utf8)
    private static let newline = UInt8(ascii: "\n")
    private static let space = UInt8(ascii: " ")
    private static let hash = UInt8(ascii: "#")
    private static let dash = UInt8(ascii: "-")
    private static let carriageReturn = UInt8(ascii: "\r")
}
