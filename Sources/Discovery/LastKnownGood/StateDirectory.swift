public import EnvoyAPI
import Foundation
import Glibc
public import Model

/// The directory where each cluster's last known state is, in a file of its own.
public struct StateDirectory: Sendable {
    private let path: String

    /// A directory, which is made when something is written.
    public init(path: String) { self.path = path }

    /// What became of a file.
    public struct SetAside: Hashable, Sendable {
        /// The file.
        public var file: String
        /// Why it can't be used, and where it is now.
        public var reason: String
    }

    /// A cluster's file.
    public func file(of cluster: ClusterName) -> String {
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-_"))
        let name = cluster.rawValue.addingPercentEncoding(withAllowedCharacters: plain) ?? "cluster"
        return "\(path)/\(name).state"
    }

    /// Reads what there is of these clusters; a file that can't be used is renamed, so that it can be looked at.
    public func read(_ clusters: [ClusterName]) -> (saved: [ClusterName: SavedCluster], setAside: [SetAside]) {
        var saved: [ClusterName: SavedCluster] = [:]
        var setAside: [SetAside] = []
        for cluster in clusters {
            let file = file(of: cluster)
            guard FileManager.default.fileExists(atPath: file) else { continue }
            do {
                saved[cluster] = try StateFile.decode(Data(contentsOf: URL(fileURLWithPath: file)))
            } catch let error as StateFileError {
                setAside.append(SetAside(file: file, reason: "\(error); \(Self.setAside(file))"))
            } catch {
                setAside.append(SetAside(file: file, reason: "it can't be read: \(error.localizedDescription)"))
            }
        }
        return (saved, setAside)
    }

    /// Replaces a cluster's file: a crash leaves the old one or the new one.
    public func write(_ saved: SavedCluster, of cluster: ClusterName) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try replace(file(of: cluster), with: StateFile.encode(saved))
        // The name, too, has to survive a crash.
        if let directory = FileHandle(forReadingAtPath: path) {
            try? directory.synchronize()
            try? directory.close()
        }
    }

    /// A temporary file for this user only, fsync, and a rename.
    private func replace(_ file: String, with content: Data) throws {
        let next = "\(file).next"
        try? FileManager.default.removeItem(atPath: next)
        guard FileManager.default.createFile(atPath: next, contents: nil, attributes: [.posixPermissions: 0o600]) else {
            throw CocoaError(.fileWriteNoPermission, userInfo: [NSFilePathErrorKey: next])
        }
        do {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: next))
            defer { try? handle.close() }
            try handle.write(contentsOf: content)
            try handle.synchronize()
        } catch {
            try? FileManager.default.removeItem(atPath: next)
            throw error
        }
        // Safe: the strings outlive the call, and the kernel keeps no pointer.
        guard unsafe rename(next, file) == 0 else {
            throw NSError(domain: NSPOSIXErrorDomain, code: Int(errno))
        }
    }

    /// - Returns: where it is now, as a sentence.
    private static func setAside(_ file: String) -> String {
        let aside = "\(file).unusable"
        do {
            _ = try? FileManager.default.removeItem(atPath: aside)
            try FileManager.default.moveItem(atPath: file, toPath: aside)
            return "it is now \(aside)"
        } catch {
            return "it can't be renamed, and stays"
        }
    }
}
