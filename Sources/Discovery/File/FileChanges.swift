public import Foundation

/// Follows what is in some files.
///
/// A rename over a file, a write in place, and a removal with a later return are all seen.
public struct FileChanges: Sendable {
    private let paths: [String]
    private let recheckInterval: Duration

    /// - Parameters:
    ///   - paths: the files; they need not exist yet.
    ///   - recheckInterval: how often they are looked at without a hint from the system, in case a directory came and
    ///     went.
    public init(of paths: [String], recheckInterval: Duration = .seconds(5)) {
        self.paths = paths
        self.recheckInterval = recheckInterval
    }

    /// Calls `body` with the content of each file now, and whenever one has changed, until the task is cancelled; nil for
    /// a file that is not there or can't be read.
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
            for await _ in hints {
                // Before the files are read, so that no change falls in between.
                for watch in watches { _ = watch.renew() }
                let contents = paths.map { FileManager.default.contents(atPath: $0) }
                if contents == last { continue }
                last = contents
                await body(contents)
            }
            group.cancelAll()
        }
    }
}
