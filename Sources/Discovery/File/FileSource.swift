import Foundation
public import MeshConfiguration
public import Model
import Synchronization
public import YAMLFile

/// Reads a cluster's pods from one file or from all files of a directory, and again whenever they change.
///
/// A file with a mistake keeps the pods that it had, and makes the source stale. The other files of a directory are
/// still read.
public final class FileSource: EndpointSource {
    private let changes: FileChanges
    private let files: Mutex<EndpointsFiles>

    /// Reads one file; it need not exist yet.
    ///
    /// - Parameters:
    ///   - limits: the limits on bytes and pods.
    ///   - recheckInterval: how often the file is checked without an event from the system.
    public init(
        file path: String, limits: Configuration.SourceLimits = Configuration.SourceLimits(),
        recheckInterval: Duration = .seconds(5)
    ) {
        changes = FileChanges(.files([path]), longest: limits.bytes, recheckInterval: recheckInterval)
        files = Mutex(EndpointsFiles(limits: limits))
    }

    /// Reads all files of a directory, which need not exist yet.
    ///
    /// A service's pods are in one file.
    public init(
        directory path: String, limits: Configuration.SourceLimits = Configuration.SourceLimits(),
        recheckInterval: Duration = .seconds(5)
    ) {
        changes = FileChanges(
            .directory(path, limit: limits.services), longest: limits.bytes, recheckInterval: recheckInterval)
        files = Mutex(EndpointsFiles(limits: limits, isDirectory: true))
    }

    /// Reads the files now and after every change.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await changes.forEach { changes in
            for next in files.withLock({ $0.apply(changes) }) { await report(next) }
        }
    }

    /// The pods of all files as they are now; reading them blocks.
    ///
    /// - Throws: every mistake, also of files beside which others are good.
    public func readOnce() throws(ConfigurationError) -> [ServiceName: [Pod]] {
        var pods: [ServiceName: [Pod]] = [:]
        for report in files.withLock({ $0.apply(changes.now()) }) {
            switch report {
            case .update(let update): if case .all(let all)? = update.pods { pods = all.mapValues(\.pods) }
            case .failure(let reason, _): throw ConfigurationError(file: "", field: "", message: reason)
            case .confirmed, .problems: break
            }
        }
        return pods
    }

    /// The file and line of each pod.
    public func origins(of service: ServiceName) async -> [String: PodOrigin] {
        files.withLock { $0.origins(of: service) }
    }
}
