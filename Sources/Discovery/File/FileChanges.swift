public import Foundation
import Glibc
import NIOPosix
import XXHash

/// Follows the contents of files.
///
/// Detects a rename over a file, a write in place, and a removal followed by a return. Files are read on a thread that
/// may block, and only if their times, sizes or inode numbers show a possible change.
public struct FileChanges: Sendable {
    /// The files that are followed.
    public enum Scope: Hashable, Sendable {
        /// Files by path; they need not exist yet.
        case files([String])
        /// The files of a directory whose names end in `.yaml` or `.yml` and don't start with a dot.
        ///
        /// Subdirectories are left out. `limit` is the maximum number of files that are followed.
        case directory(String, limit: Int)
    }

    /// Files that changed.
    public struct Changes: Sendable {
        /// The contents by path; nil if the file doesn't exist, or can't be read.
        public var contents: [String: Data?] = [:]
        /// Files that the directory no longer has.
        public var removed: Set<String> = []
        /// Why the directory can't be read; nil if it can.
        public var failure: String?

        var isEmpty: Bool { contents.isEmpty && removed.isEmpty }
    }

    private let scope: Scope
    private let recheckInterval: Duration
    private let read: @Sendable (String) -> Data?

    /// - Parameters:
    ///   - scope: the files that are followed.
    ///   - longest: how many bytes are read of each file, plus one that shows the excess.
    ///   - recheckInterval: how often the files are checked without an event, in case a directory was removed or
    ///     created.
    public init(_ scope: Scope, longest: Int = 1 << 20, recheckInterval: Duration = .seconds(5)) {
        self.init(scope, recheckInterval: recheckInterval) { path in Self.content(of: path, longest: longest) }
    }

    init(_ scope: Scope, recheckInterval: Duration, read: @escaping @Sendable (String) -> Data?) {
        self.scope = scope
        self.recheckInterval = recheckInterval
        self.read = read
    }

    /// A file's metadata, read without reading the file.
    private struct Stamp: Hashable, Sendable {
        /// The assumed resolution of file times in seconds.
        ///
        /// Two writes within it may have the same times.
        private static let resolution = 2

        private let device: UInt64
        private let number: UInt64
        private let size: Int64
        private let modified: [Int]
        private let changed: [Int]

        /// Nil if there is no such file.
        init?(of path: String) {
            var info = stat()
            // Safe: the string outlives the call, and the kernel writes only the structure.
            guard unsafe stat(path, &info) == 0 else { return nil }
            (device, number, size) = (UInt64(info.st_dev), UInt64(info.st_ino), Int64(info.st_size))
            modified = [info.st_mtim.tv_sec, info.st_mtim.tv_nsec]
            changed = [info.st_ctim.tv_sec, info.st_ctim.tv_nsec]
        }

        /// Whether any later change will show in the file's times.
        func isSettled(at time: Date) -> Bool { changed[0] + Self.resolution < Int(time.timeIntervalSince1970) }
    }

    /// The first `longest` + 1 bytes of a file; nil if it is not a regular file.
    ///
    /// Reading a pipe, for example, could block forever.
    private static func content(of path: String, longest: Int) -> Data? {
        // Safe: the string outlives the call, and the kernel keeps no pointer.
        let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var info = stat()
        // Safe: the kernel writes only the structure.
        guard unsafe fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        return try? file.read(upToCount: longest + 1) ?? Data()
    }

    /// Calls `body` with all files now, and with those that changed whenever some did, until the task is cancelled.
    public func forEach(_ body: (_ changes: Changes) async -> Void) async {
        let (hints, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let watches = scope.directories.sorted().compactMap(DirectoryWatch.init)
        await withTaskGroup { group in
            for changes in watches.map(\.changes) { group.addTask { for await _ in changes { continuation.yield() } } }
            group.addTask {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: recheckInterval)
                }
                continuation.finish()
            }
            var state = State()
            for await _ in hints {
                // Watches are renewed before the files are checked, so that no change is missed in between.
                for watch in watches { _ = watch.renew() }
                let last = state
                guard let (next, changes) = try? await NIOThreadPool.singleton.runIfActive({ look(since: last) })
                else { return group.cancelAll() }
                let isFirst = state.isFirst
                state = next
                if isFirst || !changes.isEmpty || changes.failure != last.failure { await body(changes) }
            }
            group.cancelAll()
        }
    }

    /// All files as they are now; reading them blocks.
    func now() -> Changes { look(since: State()).1 }

    /// What the last look at the files found.
    private struct State: Sendable {
        var isFirst = true
        var files: [String: File] = [:]
        var failure: String?
    }

    private struct File: Sendable {
        var stamp: Stamp?
        /// Whether a later change will show in the stamp.
        var isSettled: Bool
        /// The hash of the contents; nil if there were none.
        var hash: UInt64?
    }

    /// Reads the files that may have changed since the last look.
    private func look(since last: State) -> (State, Changes) {
        var next = State(isFirst: false)
        var changes = Changes()
        let paths: [String]
        do {
            paths = try scope.paths()
        } catch {
            next.files = last.files
            next.failure = "\(error)"
            changes.failure = next.failure
            return (next, changes)
        }
        let now = Date()
        for path in paths {
            let stamp = Stamp(of: path)
            if let known = last.files[path], known.isSettled, known.stamp == stamp {
                next.files[path] = known
                continue
            }
            let data = read(path)
            // Safe: the span ends with the call.
            let hash = data.map { unsafe xxHash64($0.span.bytes) }
            // A file that exists but could not be read is tried again.
            let isSettled = stamp.map { $0.isSettled(at: now) && data != nil } ?? true
            next.files[path] = File(stamp: stamp, isSettled: isSettled, hash: hash)
            if last.files[path].map({ $0.hash != hash }) ?? true { changes.contents[path] = .some(data) }
        }
        for path in last.files.keys where next.files[path] == nil { changes.removed.insert(path) }
        return (next, changes)
    }
}

extension FileChanges.Scope {
    /// The directories to watch.
    fileprivate var directories: Set<String> {
        switch self {
        case .files(let paths): Set(paths.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path })
        case .directory(let path, _): [path]
        }
    }

    /// The files that are there now.
    fileprivate func paths() throws -> [String] {
        switch self {
        case .files(let paths): return paths
        case .directory(let path, let limit):
            guard let all = try? FileManager.default.contentsOfDirectory(atPath: path) else {
                throw DirectoryFailure("\(path): there is no such directory, or it can't be read")
            }
            let names = all.filter { name in
                !name.hasPrefix(".") && (name.hasSuffix(".yaml") || name.hasSuffix(".yml"))
                    && !isDirectory("\(path)/\(name)")
            }
            guard !names.isEmpty else { throw DirectoryFailure("\(path): it has no `.yaml` file") }
            guard names.count <= limit else {
                throw DirectoryFailure("\(path): it has \(names.count) files, more than \(limit) (sources.services)")
            }
            return names.sorted().map { "\(path)/\($0)" }
        }
    }
}

private func isDirectory(_ path: String) -> Bool {
    (try? URL(fileURLWithPath: path).resolvingSymlinksInPath().resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory
        == true
}

private struct DirectoryFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
