import Foundation
import TestBench

/// A Linux control group with limits on memory and CPU time; requires root.
public struct ControlGroup: Sendable {
    /// The files that a process writes its ID to in order to join the group.
    let membership: [String]
    private let directories: [String]
    private static let prefix = "ballast-attack-"

    /// A readable form.
    public let description: String

    /// Creates a group.
    ///
    /// - Throws: an error with the reason if this machine doesn't allow it.
    public init(memoryBytes: Int, cores: Int) throws {
        let root = "/sys/fs/cgroup"
        Self.removeOld(root)
        let name = "\(Self.prefix)\(ProcessInfo.processInfo.processIdentifier)"
        let period = 100_000
        if FileManager.default.fileExists(atPath: "\(root)/cgroup.controllers") {
            directories = ["\(root)/\(name)"]
            try Self.write("+memory +cpu", to: "\(root)/cgroup.subtree_control")
            try Self.make(directories[0])
            try Self.write("\(memoryBytes)", to: "\(directories[0])/memory.max")
            try Self.write("\(cores * period) \(period)", to: "\(directories[0])/cpu.max")
        } else {
            directories = ["\(root)/memory/\(name)", "\(root)/cpu/\(name)"]
            for directory in directories { try Self.make(directory) }
            try Self.write("\(memoryBytes)", to: "\(directories[0])/memory.limit_in_bytes")
            try Self.write("\(period)", to: "\(directories[1])/cpu.cfs_period_us")
            try Self.write("\(cores * period)", to: "\(directories[1])/cpu.cfs_quota_us")
        }
        membership = directories.map { "\($0)/cgroup.procs" }
        description = "a control group of \(memoryBytes >> 20) MiB and \(cores) cores"
    }

    /// Removes groups left by earlier runs that no process is in any more.
    private static func removeOld(_ root: String) {
        for parent in [root, "\(root)/memory", "\(root)/cpu"] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
            for name in names where name.hasPrefix(prefix) {
                _ = try? run("rmdir", ["\(parent)/\(name)"], directory: "/")
            }
        }
    }

    /// Removes the group; no process may be in it any more.
    public func remove() {
        for directory in directories { _ = try? run("rmdir", [directory], directory: "/") }
    }

    private static func make(_ directory: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw BenchError("\(directory) can't be made: \(error.localizedDescription)")
        }
    }

    private static func write(_ text: String, to file: String) throws {
        do {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
            try handle.write(contentsOf: Data(text.utf8))
            try handle.close()
        } catch {
            throw BenchError("\(file) can't be written: \(error.localizedDescription)")
        }
    }
}
