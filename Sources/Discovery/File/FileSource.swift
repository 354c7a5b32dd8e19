import Balancing
import Foundation
import MeshConfiguration

/// Learns a cluster's pods from a file, and from every change of it.
///
/// A rename over the file, a write in place, and a removal with a later return are all seen. A file that is gone or
/// wrong is reported as a failure.
public struct FileSource: EndpointSource {
    private let path: String
    private let changes: FileChanges

    /// - Parameters:
    ///   - path: the file; it need not exist yet.
    ///   - recheckInterval: how often it is looked at without a hint from the system.
    public init(path: String, recheckInterval: Duration = .seconds(5)) {
        self.path = path
        changes = FileChanges(of: [path], recheckInterval: recheckInterval)
    }

    /// Reads the file now and after every change.
    public func run(_ report: @Sendable (SourceReport) async -> Void) async {
        await changes.forEach { await report(read($0[0])) }
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
