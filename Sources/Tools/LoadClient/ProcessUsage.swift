import Foundation

/// The CPU time and memory of a process, from Linux's /proc.
public struct ProcessUsage: Hashable, Sendable {
    /// User and system time, in seconds.
    public var cpuSeconds: Double
    /// Resident memory in bytes, including mapped files.
    public var residentBytes: Int
    /// The private part of the resident memory, in bytes.
    public var privateBytes: Int
    /// The peak of the resident memory, in bytes.
    public var peakBytes: Int

    /// Nil if there is no such process.
    public init?(of process: Int) {
        guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            // The second field is the program's name in parentheses, which may contain anything.
            let name = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[name...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return nil }
        // Linux reports this in hundredths of a second, whatever its clock's resolution.
        cpuSeconds = (user + system) / 100
        let kilobytes = { (key: String) -> Int in
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(key):") }
            return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        residentBytes = 1024 * kilobytes("VmRSS")
        privateBytes = 1024 * kilobytes("RssAnon")
        peakBytes = 1024 * kilobytes("VmHWM")
    }
}
