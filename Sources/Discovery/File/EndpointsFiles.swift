import Foundation
import MeshConfiguration
import Model
import YAMLFile

/// The endpoints files of one source, and the pods that each brought last.
struct EndpointsFiles {
    /// The contents of a file, read without a mistake.
    private struct Contents {
        var file: EndpointsFile
        var byteCount: Int
        var podCount: Int
    }

    private let limits: Configuration.SourceLimits
    private let isDirectory: Bool
    private var readers: [String: EndpointsReader] = [:]
    /// By path, the contents in force.
    private var contents: [String: Contents] = [:]
    /// By path, contents that are new, or wait for another file to release a service.
    private var candidates: [String: Contents] = [:]
    /// By path, what is wrong with a file now.
    private var problems: [String: String] = [:]
    /// Why the directory can't be read; nil if it can.
    private var failure: String?
    /// The file that each service is in.
    private var owners: [ServiceName: String] = [:]
    /// The sums over `contents`.
    private var (byteCount, podCount) = (0, 0)
    private var hasReported = false
    /// Whether the last report was a failure of some files.
    private var isFailing = false

    init(limits: Configuration.SourceLimits, isDirectory: Bool = false) {
        self.limits = limits
        self.isDirectory = isDirectory
    }

    /// Reads the files that changed.
    ///
    /// - Returns: what to report, in this order.
    mutating func apply(_ changes: FileChanges.Changes) -> [SourceReport] {
        failure = changes.failure
        var touched: [ServiceName: [Pod]] = [:]
        for path in changes.removed {
            for service in remove(path) { touched[service] = [] }
        }
        for (path, data) in changes.contents { read(data, path) }
        for path in resolveConflicts() {
            guard let new = candidates.removeValue(forKey: path) else { continue }
            problems[path] = nil
            for (service, pods) in replace(path, with: new) { touched[service] = pods }
        }
        // Until each file has been read once, nobody knows which services there are.
        guard hasReported || failure == nil && readers.count == contents.count else {
            return [.failure(reason: reason)]
        }
        var reports: [SourceReport] = []
        if !hasReported {
            hasReported = true
            reports.append(.pods(contents.values.reduce(into: [:]) { $0.merge($1.file.pods) { first, _ in first } }))
        } else if !touched.isEmpty || failure == nil && problems.isEmpty {
            reports.append(.changes(touched, .none))
        }
        let wasFailing = isFailing
        isFailing = failure != nil || !problems.isEmpty
        if isFailing {
            reports.append(.failure(reason: reason, ofPart: isDirectory && failure == nil))
        } else if wasFailing {
            // A source with a part that failed stays stale until it says so.
            reports.append(.confirmed)
        }
        return reports
    }

    /// The file and line of each pod.
    func origins(of service: ServiceName) -> [String: PodOrigin] {
        guard let path = owners[service], let file = contents[path]?.file, let pods = file.pods[service],
            let lines = file.lines[service]
        else { return [:] }
        let origins = pods.indices.map { (pods[$0].name, PodOrigin(object: path, line: lines[$0])) }
        return Dictionary(origins, uniquingKeysWith: { first, _ in first })
    }

    /// Parses a file; its contents become a candidate.
    private mutating func read(_ data: Data?, _ path: String) {
        candidates[path] = nil
        do {
            guard let data else { throw FileProblem("\(path): there is no such file, or it can't be read") }
            guard data.count <= limits.bytes else {
                throw FileProblem("\(path): it has more than \(limits.bytes) bytes (sources.bytes)")
            }
            let file = try readers[path, default: EndpointsReader(file: path)].read(data)
            let podCount = file.pods.values.reduce(0) { $0 + $1.count }
            candidates[path] = Contents(file: file, byteCount: data.count, podCount: podCount)
        } catch {
            // The file counts as one to wait for.
            readers[path] = readers[path] ?? EndpointsReader(file: path)
            problems[path] = "\(error)"
        }
    }

    /// The candidates that can replace the contents in force, all at once.
    ///
    /// A candidate waits while one of its services is in another file, or while it exceeds a limit; its old contents
    /// stay in force.
    private mutating func resolveConflicts() -> [String] {
        var accepted = candidates.keys.sorted()
        while true {
            var claims: [ServiceName: String] = [:]
            var released: Set<ServiceName> = []
            var (bytes, pods) = (byteCount, podCount)
            for path in accepted {
                guard let old = contents[path] else { continue }
                released.formUnion(old.file.pods.keys)
                bytes -= old.byteCount
                pods -= old.podCount
            }
            let refused = accepted.first { path in
                guard let new = candidates[path] else { return false }
                bytes += new.byteCount
                pods += new.podCount
                if bytes > limits.bytes {
                    problems[path] = "\(path): all files have more than \(limits.bytes) bytes (sources.bytes)"
                    return true
                }
                if pods > limits.endpoints {
                    problems[path] =
                        "\(path): \(pods) pods are more than \(limits.endpoints) (sources.endpoints)"
                    return true
                }
                for service in new.file.pods.keys {
                    let owner = claims[service] ?? (released.contains(service) ? nil : owners[service])
                    guard owner == nil else {
                        problems[path] =
                            "\(path): service \(service) is in \(owner ?? ""), too; a service is in one file"
                        return true
                    }
                }
                for service in new.file.pods.keys { claims[service] = path }
                return false
            }
            guard let refused else { return accepted }
            accepted.removeAll { $0 == refused }
        }
    }

    /// Puts new contents in force.
    ///
    /// - Returns: the services that changed.
    private mutating func replace(_ path: String, with new: Contents) -> [ServiceName: [Pod]] {
        let old = contents[path]?.file.pods ?? [:]
        byteCount += new.byteCount - (contents[path]?.byteCount ?? 0)
        podCount += new.podCount - (contents[path]?.podCount ?? 0)
        contents[path] = new
        var changed: [ServiceName: [Pod]] = [:]
        for service in old.keys where new.file.pods[service] == nil && owners[service] == path {
            owners[service] = nil
            changed[service] = []
        }
        for (service, pods) in new.file.pods {
            if old[service] != pods || owners[service] != path { changed[service] = pods }
            owners[service] = path
        }
        return changed
    }

    /// Forgets a file that the directory no longer has.
    ///
    /// - Returns: its services.
    private mutating func remove(_ path: String) -> [ServiceName] {
        readers[path] = nil
        candidates[path] = nil
        problems[path] = nil
        guard let old = contents.removeValue(forKey: path) else { return [] }
        byteCount -= old.byteCount
        podCount -= old.podCount
        let services = old.file.pods.keys.filter { owners[$0] == path }
        for service in services { owners[service] = nil }
        return services
    }

    /// What is wrong, in a sentence; many files may be wrong at once, and the first ones are named.
    private var reason: String {
        let all = [failure].compactMap(\.self) + problems.sorted { $0.key < $1.key }.map(\.value)
        let shown = all.prefix(5).joined(separator: "; ")
        return all.count > 5 ? "\(shown); and \(all.count - 5) more files" : shown
    }
}

private struct FileProblem: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
