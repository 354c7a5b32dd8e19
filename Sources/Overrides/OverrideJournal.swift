public import Foundation
import Glibc

/// Keeps overrides in a file of JSON lines, `overrides.jsonl`, to which lines are only added.
///
/// A line is written and synchronised before it counts. A line that a crash left incomplete is dropped at the next
/// start. One process at a time can use the file.
public actor OverrideJournal: OverrideStore {
    /// One line of the file.
    private struct Line: Codable {
        /// The first line: the format's version.
        var version: Int?
        /// A new override, without transitions.
        var create: Override?
        /// A transition, and its override.
        var append: Override.Transition?
        var to: String?

        /// The lines of an override: one for itself, and one for each transition.
        static func all(of override: Override) -> [Line] {
            var bare = override
            bare.transitions = []
            return [Line(create: bare)] + override.transitions.map { Line(append: $0, to: override.id) }
        }
    }

    /// The format's version.
    private static let version = 1
    /// Above this size, the file is written anew without old overrides.
    public static let compactionSize = 4 << 20
    /// How long ended overrides are kept.
    public static let keptFor = 90 * 86_400.0

    /// The file's path.
    public nonisolated let path: String

    private let compactionSize: Int
    private let clock: @Sendable () -> Date
    /// The names of all overrides in the file; the overrides themselves are kept by whoever loads them.
    private var ids: Set<String> = []
    /// What could not be read.
    private var warnings: [String] = []
    /// Whether some overrides in the file can't be used: then the file is never written anew.
    private var hasOmissions = false
    /// The open file; nil before `load`, and after a failure that can't be undone.
    private var file: FileHandle?
    /// Holds the lock on the directory's journal while the process lives.
    private var lock: FileHandle?
    /// The file's number on its disk.
    private var number: Int?
    /// The length of all complete lines.
    private var length = 0
    /// The length at which to compact next.
    private var nextCompaction = 0

    /// Creates a journal in a directory, which is made at the first use.
    public init(
        directory: String, compactionSize: Int = OverrideJournal.compactionSize,
        clock: @escaping @Sendable () -> Date = { Date() }
    ) {
        path = "\(directory)/overrides.jsonl"
        self.compactionSize = compactionSize
        self.clock = clock
    }

    /// Reads the file; it is locked from the first call on.
    public func load() async throws(OverrideStoreError) -> (overrides: [Override], warnings: [String]) {
        let book = try open()
        return (book.all, warnings)
    }

    /// Whether the file has an override of that name.
    public func isTaken(_ id: String) async -> Bool { ids.contains(id) }

    /// Writes a line for the override, and one for each transition that it has already.
    public func create(_ override: Override) async throws(OverrideStoreError) {
        guard !ids.contains(override.id) else { throw OverrideStoreError("\(path): has an override \(override.id)") }
        // A line that could not be read again would be lost at the next start.
        guard let line = try? encode(Line.all(of: override)).split(separator: UInt8(ascii: "\n")).first,
            (try? Self.decoder.decode(Line.self, from: Data(line)))?.create?.isValid == true
        else { throw OverrideStoreError("\(path): could not be read again with override \(override.id)") }
        try write(Line.all(of: override))
        ids.insert(override.id)
    }

    /// Writes a line for the transition.
    public func append(_ transition: Override.Transition, to id: String) async throws(OverrideStoreError) {
        guard ids.contains(id) else { throw OverrideStoreError("\(path): has no override \(id)") }
        try write([Line(append: transition, to: id)])
    }

    // MARK: Reading

    @discardableResult
    private func open() throws(OverrideStoreError) -> OverrideBook {
        do {
            let directory = (path as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            if lock == nil { lock = try Self.open("\(directory)/overrides.lock") }
        } catch {
            throw failure("can't be opened", error)
        }
        guard let lock, flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw OverrideStoreError(
                "\(path): another process uses it; each Ballast needs a `state` directory of its own")
        }
        let content: Data
        let file: FileHandle
        do {
            file = try Self.open(path)
            content = try file.readToEnd() ?? Data()
        } catch {
            throw failure("can't be opened", error)
        }
        let book: OverrideBook
        (book, length) = try read(content)
        ids = Set(book.all.map(\.id))
        if length < content.count {
            warnings = [
                "\(path): its last line is incomplete, and was dropped: a crash interrupted it before it counted"
            ]
        }
        do {
            try file.truncate(atOffset: UInt64(length))
        } catch {
            throw failure("can't be written", error)
        }
        self.file = file
        number = Self.identity(path)?.number
        nextCompaction = compactionSize
        if length == 0 { try write([Line(version: Self.version)]) }
        if length > nextCompaction { try? compact() }
        return book
    }

    /// What tells the file from another at its path.
    private struct Identity: Equatable {
        var number: Int?
        var size: Int
    }

    private static func identity(_ path: String) -> Identity? {
        guard let found = try? FileManager.default.attributesOfItem(atPath: path), let size = found[.size] as? Int
        else {
            return nil
        }
        return Identity(number: found[.systemFileNumber] as? Int, size: size)
    }

    /// Opens a file for reading and writing; makes one for this user only.
    private static func open(_ path: String) throws -> FileHandle {
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        return try FileHandle(forUpdating: URL(fileURLWithPath: path))
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .millisecondsSince1970
        return decoder
    }

    /// The overrides in a file's content, and the length of its complete lines.
    private func read(_ content: Data) throws(OverrideStoreError) -> (OverrideBook, length: Int) {
        var (book, length) = (OverrideBook(), 0)
        let decoder = Self.decoder
        var omitted: Set<String> = []
        let lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // After the last line break is what a crash left.
        for (number, bytes) in lines.dropLast().enumerated() {
            let line = try? decoder.decode(Line.self, from: bytes)
            if number == 0 {
                guard let version = line?.version else {
                    throw OverrideStoreError(
                        "\(path): is not a journal of overrides; move it away, or choose another `state` directory")
                }
                guard version == Self.version else {
                    throw OverrideStoreError("\(path): has version \(version), and this Ballast reads \(Self.version)")
                }
            } else if let override = line?.create, override.isValid {
                book.merge(override)
            } else if let override = line?.create {
                // An older version accepted it. One override that can't be used is no reason to lose the others.
                omitted.insert(override.id)
                hasOmissions = true
                warnings.append("\(path):\(number + 1): override \(override.id) can't be used, and is left out")
            } else if let transition = line?.append, Override.times.contains(transition.at), let id = line?.to,
                book[id] != nil || omitted.contains(id)
            {
                book.add(transition, to: id)
            } else {
                throw OverrideStoreError(
                    "\(path):\(number + 1): is not a line of a journal of overrides; mend or remove the line")
            }
            length += bytes.count + 1
        }
        return (book, length)
    }

    // MARK: Writing

    /// Writes all lines or none.
    private func write(_ lines: [Line]) throws(OverrideStoreError) {
        if file == nil { try open() }
        guard let file else { throw OverrideStoreError("\(path): is not open") }
        guard length == 0 || Self.identity(path) == Identity(number: number, size: length) else {
            throw OverrideStoreError(
                "\(path): was moved or changed by another program; restore it, or restart Ballast to go on without it")
        }
        let data = try encode(lines)
        do {
            try file.seek(toOffset: UInt64(length))
            try file.write(contentsOf: data)
            try file.synchronize()
        } catch {
            // Otherwise the rest of a line would spoil the next one. If this fails as well, the next write reads the
            // file again.
            if (try? file.truncate(atOffset: UInt64(length))) == nil { self.file = nil }
            throw failure("can't be written", error)
        }
        length += data.count
        if length > nextCompaction { try? compact() }
    }

    private func encode(_ lines: [Line]) throws(OverrideStoreError) -> Data {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .millisecondsSince1970
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try lines.reduce(into: Data()) { $0 += try encoder.encode($1) + Data("\n".utf8) }
        } catch {
            throw OverrideStoreError("\(path): an override can't be encoded: \(error)")
        }
    }

    /// Writes the file anew, without overrides that ended long ago; the old file stays if that fails.
    private func compact() throws {
        nextCompaction = max(compactionSize, 2 * length)
        guard let file, !hasOmissions else { return }
        try file.seek(toOffset: 0)
        var (kept, _) = try read(file.readToEnd() ?? Data())
        kept.removeEnded(before: clock() - Self.keptFor)
        let data = try encode([Line(version: Self.version)] + kept.all.flatMap(Line.all))
        let next = "\(path).next"
        try? FileManager.default.removeItem(atPath: next)
        let handle = try Self.open(next)
        try handle.write(contentsOf: data)
        try handle.synchronize()
        // Safe: the strings outlive the call, and the kernel keeps no pointer.
        guard unsafe rename(next, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        if let directory = FileHandle(forReadingAtPath: (path as NSString).deletingLastPathComponent) {
            try? directory.synchronize()
        }
        (self.file, length, ids) = (handle, data.count, Set(kept.all.map(\.id)))
        number = Self.identity(path)?.number
        nextCompaction = max(compactionSize, 2 * length)
    }

    private func failure(_ what: String, _ error: any Error) -> OverrideStoreError {
        let reason = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError)
            .localizedDescription
        return OverrideStoreError("\(path): \(what): \(reason)")
    }
}
