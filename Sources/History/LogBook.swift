public import Foundation
import Glibc

/// Keeps entries in a ring of files of JSON lines, or in memory if there is no directory.
///
/// The oldest file is removed when all together exceed the limit. Lines that can't be read are skipped: a crash may
/// leave one at the end of a file. One process at a time writes.
public actor LogBook {
    /// The most bytes of all files.
    public static let maxBytes = 64 << 20
    /// The most entries in memory.
    static let maxInMemory = 2_000

    private struct Segment {
        var path: String
        var number: Int
        var size: Int
    }

    private let directory: String?
    private let segmentSize: Int
    private let maxBytes: Int
    private var segments: [Segment] = []
    private var file: FileHandle?
    private var lock: FileHandle?
    /// The newest entries, oldest first.
    private var latest: [LogEntry] = []
    /// Whether `latest` is everything.
    private var isWhole = true
    private var lastNumber: UInt64 = 0
    /// Why entries are only kept in memory although there is a directory; nil if they are on disk.
    public private(set) var failure: String?

    /// Creates a log book.
    ///
    /// - Parameters:
    ///   - directory: where the files are; nil to keep the newest entries in memory only.
    ///   - maxBytes: the most bytes of all files.
    public init(directory: String?, maxBytes: Int = LogBook.maxBytes) {
        self.directory = directory
        self.maxBytes = maxBytes
        segmentSize = max(maxBytes / 16, 1)
    }

    /// Finds the files of an earlier start; call it once, first.
    public func open() {
        guard let directory else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let path = "\(directory)/lock"
            if !FileManager.default.fileExists(atPath: path) {
                _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
            }
            let lock = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            guard flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
                failure = "\(directory): another process writes the log book; entries are kept in memory only"
                return
            }
            self.lock = lock
            segments = try FileManager.default.contentsOfDirectory(atPath: directory).compactMap { name in
                guard let match = name.wholeMatch(of: /log-(\d{8,})\.jsonl/), let number = Int(match.1) else {
                    return nil
                }
                let path = "\(directory)/\(name)"
                let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
                return Segment(path: path, number: number, size: size ?? 0)
            }.sorted { $0.number < $1.number }
            // Starts that wrote nothing leave empty files.
            for segment in segments where segment.size == 0 {
                try? FileManager.default.removeItem(atPath: segment.path)
            }
            segments.removeAll { $0.size == 0 }
            var read = 0
            for segment in segments.reversed() where latest.count < Self.maxInMemory {
                latest = Self.read(segment.path) + latest
                read += 1
            }
            isWhole = read == segments.count && latest.count <= Self.maxInMemory
            latest = Array(latest.suffix(Self.maxInMemory))
            lastNumber = latest.last?.number ?? 0
            try startSegment()
        } catch {
            fail(error)
        }
    }

    /// Adds entries.
    public func append(_ entries: [LogEntry]) {
        guard !entries.isEmpty else { return }
        var data = Data()
        for var entry in entries {
            lastNumber &+= 1
            entry.number = lastNumber
            latest.append(entry)
            if lock != nil, let line = try? Self.encoder.encode(entry) { data += line + Data("\n".utf8) }
        }
        if latest.count > Self.maxInMemory {
            latest.removeFirst(latest.count - Self.maxInMemory)
            isWhole = false
        }
        guard lock != nil, !data.isEmpty else { return }
        do {
            // There is none if the first could not be made.
            let last = segments.last
            if last.map({ $0.size + data.count > segmentSize && $0.size > 0 }) ?? true { try startSegment() }
            try file?.write(contentsOf: data)
            segments[segments.count - 1].size += data.count
            failure = nil
        } catch {
            // Otherwise the rest of a line would spoil the next one.
            if let last = segments.last { try? file?.truncate(atOffset: UInt64(last.size)) }
            _ = try? file?.seekToEnd()
            fail(error)
        }
    }

    /// The entries that match, newest first.
    ///
    /// - Parameters:
    ///   - service: only those of a service, and those of all services; nil for all.
    ///   - since: not before this time.
    ///   - before: only those with a lower number; nil for all.
    ///   - limit: the most entries.
    public func entries(
        of service: String? = nil, since: Date? = nil, before: UInt64? = nil, limit: Int
    ) -> [LogEntry] {
        var found: [LogEntry] = []
        scan(service) { entry in
            if let since, entry.time < since { return false }
            if let before, entry.number >= before { return true }
            if let service, let own = entry.service, own != service, own != "*" { return true }
            if service != nil, entry.service == nil { return true }
            found.append(entry)
            return found.count < limit
        }
        return found
    }

    /// What was served of a service at a time; nil if the log book doesn't reach back that far.
    public func served(of service: String, at time: Date) -> LogEntry? {
        var found: LogEntry?
        scan(service) { entry in
            guard entry.kind == .change, entry.service == service, entry.time <= time else { return true }
            found = entry
            return false
        }
        return found
    }

    /// Calls `body` with each entry, newest first, until it returns false.
    ///
    /// - Parameter service: entries of other services may be left out.
    private func scan(_ service: String?, _ body: (LogEntry) -> Bool) {
        for entry in latest.reversed() where !body(entry) { return }
        guard !isWhole, let first = latest.first?.number else { return }
        for segment in segments.reversed() {
            for entry in Self.read(segment.path, of: service).reversed() where entry.number < first && !body(entry) {
                return
            }
        }
    }

    private func startSegment() throws {
        guard let directory else { return }
        let number = (segments.last?.number ?? 0) + 1
        let path = "\(directory)/\(String(format: "log-%08d.jsonl", number))"
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
            throw CocoaError(.fileWriteUnknown)
        }
        file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        segments.append(Segment(path: path, number: number, size: 0))
        while segments.count > 1, segments.reduce(0, { $0 + $1.size }) > maxBytes - segmentSize {
            try? FileManager.default.removeItem(atPath: segments.removeFirst().path)
            isWhole = false
        }
    }

    private func fail(_ error: any Error) {
        failure = "\(directory ?? ""): the log book can't be written: \((error as NSError).localizedDescription)"
    }

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .millisecondsSince1970
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    /// The entries of a file.
    ///
    /// - Parameter service: only entries of a service and of all services are decoded; nil for all.
    private static func read(_ path: String, of service: String? = nil) -> [LogEntry] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .millisecondsSince1970
        let marks = service.map { name in
            [name, "*"].compactMap { name in
                (try? Self.encoder.encode(name)).map { Data("\"service\":".utf8) + $0 }
            }
        }
        if let marks, !marks.contains(where: { data.range(of: $0) != nil }) { return [] }
        return data.split(separator: UInt8(ascii: "\n")).compactMap { line in
            if let marks, !marks.contains(where: { line.range(of: $0) != nil }) { return nil }
            let entry = try? decoder.decode(LogEntry.self, from: line)
            return entry.flatMap { $0.number < 1 << 53 ? $0 : nil }
        }
    }
}
