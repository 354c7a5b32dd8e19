import Foundation
import Synchronization

/// A process that ends with its owner, even if the owner is killed.
///
/// A watcher process reads a pipe that only the owner holds open. When the pipe closes, the process gets SIGTERM, and
/// SIGKILL five seconds later.
public final class ManagedProcess: Sendable {
    /// The name in error messages.
    public let name: String
    /// The process ID of the program itself, not of a shell.
    public let identifier: Int32
    private let logPath: String
    private let leash: FileHandle
    private let exit = ProcessExit()

    /// The watcher keeps only descriptor 3, because Foundation learns of the process's end when all copies of one of
    /// its sockets are closed.
    ///
    /// Perl, which every Debian has, unblocks the signals that Dispatch's threads block. A child inherits blocked
    /// signals, and Envoy would never receive a SIGTERM.
    private static let script = """
        exec 3<&0 </dev/null; self=$$
        (
            trap '' INT TERM
            for fd in /proc/$BASHPID/fd/*; do
                fd=${fd##*/}
                [ "$fd" = 3 ] || eval "exec $fd>&-"
            done
            while read -r _ <&3; do :; done
            kill -TERM $self && sleep 5 && kill -KILL $self
        ) &
        exec 3<&-
        exec perl -MPOSIX -e 'sigprocmask(SIG_SETMASK, POSIX::SigSet->new); exec @ARGV; die "$ARGV[0]: $!\\n"' -- "$@"
        """

    /// Starts a program; its output goes to a file.
    public init(
        _ name: String, _ program: String, _ arguments: [String], directory: String, logPath: String
    ) throws {
        self.name = name
        self.logPath = logPath
        _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: logPath))
        let pipe = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", Self.script, "bash", program] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.standardInput = pipe
        process.standardOutput = log
        process.standardError = log
        leash = pipe.fileHandleForWriting
        process.terminationHandler = { [exit, leash] in
            // The watcher is no longer needed.
            try? leash.close()
            exit.happened($0.terminationStatus)
        }
        try process.runAlone()
        identifier = process.processIdentifier
    }

    deinit { try? leash.close() }

    /// Whether the process is running.
    public var isRunning: Bool { exit.status == nil }

    /// The output so far.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// The CPU time used so far, in steps of 10 ms.
    public var cpuTime: Duration {
        // proc(5): of the fields after the program's name, the 12th and 13th are user and system time in hundredths of
        // a second.
        let text = (try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8)) ?? ""
        let fields = text.split(separator: ")").last?.split(separator: " ").map { Int($0) } ?? []
        guard fields.count > 12 else { return .zero }
        return .milliseconds(10 * ((fields[11] ?? 0) + (fields[12] ?? 0)))
    }

    /// Sends a signal if the process is running.
    public func signal(_ signal: Int32) {
        if isRunning { kill(identifier, signal) }
    }

    /// Stops the process (SIGTERM, then SIGKILL after 10 s), and waits for it.
    ///
    /// - Returns: the exit status, or the number of the signal that ended the process.
    @discardableResult
    public func stop() async -> Int32 {
        signal(SIGTERM)
        let deadline = Task {
            try await Task.sleep(for: .seconds(10))
            signal(SIGKILL)
        }
        defer { deadline.cancel() }
        return await waitForExit()
    }

    /// Waits until the process has ended by itself.
    public func waitForExit() async -> Int32 { await exit.wait() }
}

/// The exit status of a process, which tasks can wait for.
private final class ProcessExit: Sendable {
    private struct State {
        var status: Int32?
        var waiters: [CheckedContinuation<Int32, Never>] = []
    }

    private let state = Mutex(State())

    /// Nil while the process is running.
    var status: Int32? { state.withLock { $0.status } }

    func happened(_ status: Int32) {
        let waiters = state.withLock { state in
            state.status = status
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: status) }
    }

    func wait() async -> Int32 {
        await withCheckedContinuation { continuation in
            let status = state.withLock { state in
                if state.status == nil { state.waiters.append(continuation) }
                return state.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }
}

/// Runs a program until it ends.
///
/// - Throws: an error with its output if it fails.
@discardableResult
public func run(_ program: String, _ arguments: [String], directory: String) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.runAlone()
    let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw BenchError(
            "\(program) \(arguments.joined(separator: " ")) failed (\(process.terminationStatus)):\n\(text)")
    }
    return text
}

/// Held while a process is started.
private let starting = Mutex(())

extension Process {
    /// Starts the process while no other process is being started.
    ///
    /// A process started at the same time would inherit the socket by which Foundation learns of this one's end. That
    /// end would then be noticed only after the other process has ended, too.
    fileprivate func runAlone() throws {
        try starting.withLock { _ in try run() }
    }
}

/// An error that ends the bench.
public struct BenchError: Error, CustomStringConvertible {
    /// What happened.
    public let description: String

    /// Creates an error.
    public init(_ description: String) { self.description = description }
}
