import Balancing
import Foundation
import MeshConfiguration

/// Learns a cluster's pods from a file, and from every change of it.
///
/// A rename over the file, a write in place, and a removal with a later return are all seen. A file that is gone or
/// wrong is reported as a failure.
public struct FileSource: EndpointSource {
    private let path: String
    private let recheckInterval: Duration

    /// - Parameters: - path: the file; it need not exist yet. - recheckInterval: how often it is looked at without a
    ///   hint from the system, in case its directory came and went.
    public init(path: String, recheckInterval: Duration = .seconds(5)) {
        self.path = path
        self.recheckInterval = recheckInterval
    }

    /// Reads the file now and after every change.
    public func run(_ report: @Sendable (SourceReport) async -> Void) async {
        let (hints, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let watch = DirectoryWatch(URL(fileURLWithPath: path).deletingLastPathComponent().path)
        let changes = watch?.changes
        await withTaskGroup { group in
            if let changes { group.addTask { for await _ in changes { continuation.yield() } } }
            group.addTask {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: recheckInterval)
                }
                continuation.finish()
            }
            var last: Data?
            for await _ in hints {
                // Before the file is read, so that no change falls in between.
                _ = watch?.renew()
                let data = FileManager.default.contents(atPath: path)
                if let data, data == last { continue }
                last = data
                await report(read(data))
            }
            group.cancelAll()
        }
    }

    private func read(_ data: Data?) -> SourceReport {
        guard let data else { return .failure(reason: "\(path): there is no such file, or it can't be read") }
        do {
            return .pods(try EndpointsFile(text: TextFile.text(of: data, file: path), file: path).pods)
        } catch {
            return .failure(reason: "\(error)")
        }
    }
}
