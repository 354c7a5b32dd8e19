public import Foundation
import Glibc
import NIOPosix

/// Follows the contents of some files.
///
/// Detects a rename over a file, a write in place, and a removal followed by a return. Files are read on a thread that
/// may block, and only if their times, sizes or inode numbers show a possible change.
public struct FileChanges: Sendable {
    private let paths: [String]
    private let recheckInterval: Duration
    private let read: @Sendable (String) -> Data?

    /// - Parameters:
    ///   - paths: the files; they need not exist yet.
    ///   - longest: how many bytes are read of each file, plus one that shows the excess.
    ///   - recheckInterval: how often the files are checked without an event, in case a directory was removed or
    ///     created.
    public init(of paths: [String], longest: Int = 1 << 20, recheckInterval: Duration = .seconds(5)) {
        self.init(of: paths, recheckInterval: recheckInterval) { path in
            Self.content(of: path, longest: longest)
        }
    }

    init(of paths: [String], recheckInterval: Duration, read: @escaping @Sendable (String) -> Data?) {
        self.paths = paths
        self.recheckInterval = recheckInterval
        self.read = read
    }

    /// A file's metadata, read without reading the file.
    private struct Stamp: Hashable {
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

    /// Calls `body` with the contents of all files now and whenever one has changed, until the task is cancelled.
    ///
    /// The contents are nil for a file that doesn't exist or can't be read.
    public func forEach(_ body: (_ contents: [Data?]) async -> Void) async {
        let (hints, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let directories = Set(paths.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path })
        let watches = directories.sorted().compactMap(DirectoryWatch.init)
        await withTaskGroup { group in
            for changes in watches.map(\.changes) { group.addTask { for await _ in changes { continuation.yield() } } }
            group.addTask {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: recheckInterval)
                }
                continuation.finish()
            }
            var last: [Data?]?
            var stamps: [Stamp?] = []
            var isSettled = false
            for await _ in hints {
                // Watches are renewed before the files are checked, so that no change is missed in between.
                for watch in watches { _ = watch.renew() }
                let now = Date()
                let next = paths.map(Stamp.init(of:))
                if isSettled, next == stamps { continue }
                (stamps, isSettled) = (next, next.allSatisfy { $0?.isSettled(at: now) != false })
                guard let contents = await readAll() else { return group.cancelAll() }
                // A file that exists but could not be read is tried again.
                if zip(stamps, contents).contains(where: { $0 != nil && $1 == nil }) { isSettled = false }
                if contents == last { continue }
                last = contents
                await body(contents)
            }
            group.cancelAll()
        }
    }

    /// Nil once the process shuts down.
    private func readAll() async -> [Data?]? {
        try? await NIOThreadPool.singleton.runIfActive { paths.map(read) }
    }
}
