import Foundation

/// What a process has used up so far, as the system tells it (Linux, /proc).
public struct ProcessUsage: Hashable, Sendable {
    /// User and system time, in seconds.
    public var cpuSeconds: Double
    /// In bytes: what it has in memory, files that it maps included.
    public var residentBytes: Int
    /// In bytes: of that, what is its own.
    public var privateBytes: Int
    /// In bytes: the most that was in memory at any time.
    public var peakBytes: Int

    /// Nil where there is no such process.
    public init?(of process: Int) {
        guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            // The second field is the program's name, in brackets, with anything in it.
            let name = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[name...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return nil }
        // Linux counts in hundredths here, whatever its own clock's pace.
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
