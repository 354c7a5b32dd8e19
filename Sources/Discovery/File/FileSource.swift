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
        var reader = EndpointsReader(file: path)
        await changes.forEach { await report(read($0[0], with: &reader)) }
    }

    private func read(_ data: Data?, with reader: inout EndpointsReader) -> SourceReport {
        guard let data else { return .failure(reason: "\(path): there is no such file, or it can't be read") }
        do {
            switch try reader.read(data) {
            case .everything(let pods): return .pods(pods)
            case .changes(let services): return .changes(services)
            }
        } catch {
            return .failure(reason: "\(error)")
        }
    }
}
