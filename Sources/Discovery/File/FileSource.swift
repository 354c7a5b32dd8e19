import Foundation
public import MeshConfiguration
public import Model
import Synchronization

/// Reads a cluster's pods from a file, and again whenever it changes.
///
/// Detects a rename over the file, a write in place, and a removal followed by a return. A missing or invalid file is
/// reported as a failure.
public final class FileSource: EndpointSource {
    private let path: String
    private let limits: Configuration.SourceLimits
    private let changes: FileChanges
    private let reader: Mutex<EndpointsReader>

    /// - Parameters:
    ///   - path: the file; it need not exist yet.
    ///   - limits: the limits on bytes and pods.
    ///   - recheckInterval: how often the file is checked without an event from the system.
    public init(
        path: String, limits: Configuration.SourceLimits = Configuration.SourceLimits(),
        recheckInterval: Duration = .seconds(5)
    ) {
        self.path = path
        self.limits = limits
        changes = FileChanges(of: [path], longest: limits.bytes, recheckInterval: recheckInterval)
        reader = Mutex(EndpointsReader(file: path))
    }

    /// Reads the file now and after every change.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await changes.forEach { await report(read($0[0])) }
    }

    /// The file and line of each pod.
    public func origins(of service: ServiceName) async -> [String: PodOrigin] {
        reader.withLock { $0.lines(of: service) }.mapValues { PodOrigin(object: path, line: $0) }
    }

    private func read(_ data: Data?) -> SourceReport {
        guard let data else { return .failure(reason: "\(path): there is no such file, or it can't be read") }
        guard data.count <= limits.bytes else {
            return .failure(reason: "\(path): it has more than \(limits.bytes) bytes (sources.bytes)")
        }
        do {
            switch try reader.withLock({ try $0.read(data) }) {
            case .everything(let pods):
                let count = pods.values.reduce(0) { $0 + $1.count }
                guard count <= limits.endpoints else {
                    return .failure(
                        reason: "\(path): it has \(count) pods, more than \(limits.endpoints) (sources.endpoints)")
                }
                return .pods(pods)
            case .changes(let services): return .changes(services, .none)
            }
        } catch {
            return .failure(reason: "\(error)")
        }
    }
}
