import Foundation
import Synchronization

/// A process that ends with its owner, however the owner ends.
///
/// A watcher beside it reads a pipe that only the owner holds open. When the pipe closes, be it that the owner was
/// killed, the process gets SIGTERM, and SIGKILL five seconds later.
public final class ManagedProcess: Sendable {
    /// For errors: its part in the bench.
    public let name: String
    /// The process's id; the program itself has it, not a shell.
    public let identifier: Int32
    private let logPath: String
    private let leash: FileHandle
    private let exit: Mutex<Exit>

    private enum Exit {
        case running(waiters: [CheckedContinuation<Int32, Never>])
        case exited(Int32)
    }

    /// The watcher keeps descriptor 3 only: Foundation hears of the process's end when all copies of a socket of its
    /// own are closed.
    ///
    /// Perl (every Debian has it) unblocks the signals that Dispatch's threads block: a child inherits that, and
    /// Envoy would never see a SIGTERM.
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
        let exit = ExitBox()
        process.terminationHandler = { exit.set($0.terminationStatus) }
        try process.run()
        identifier = process.processIdentifier
        leash = pipe.fileHandleForWriting
        self.exit = Mutex(.running(waiters: []))
        exit.forward { [weak self] status in self?.exited(status) }
    }

    deinit { try? leash.close() }

    /// Whether it still runs.
    public var isRunning: Bool {
        exit.withLock { if case .running = $0 { true } else { false } }
    }

    /// What it has written so far.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Sends a signal, if it still runs.
    public func signal(_ signal: Int32) {
        if isRunning { kill(identifier, signal) }
    }

    /// Ends it (SIGTERM, and SIGKILL if that takes too long), and waits.
    ///
    /// - Returns: its exit status, or the number of the signal that ended it.
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

    /// Waits until it has ended by itself.
    public func waitForExit() async -> Int32 {
        await withCheckedContinuation { continuation in
            let status: Int32? = exit.withLock { exit in
                switch exit {
                case .exited(let status): return status
                case .running(let waiters):
                    exit = .running(waiters: waiters + [continuation])
                    return nil
                }
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    private func exited(_ status: Int32) {
        let waiters = exit.withLock { exit in
            defer { exit = .exited(status) }
            if case .running(let waiters) = exit { return waiters }
            return []
        }
        try? leash.close()
        for waiter in waiters { waiter.resume(returning: status) }
    }
}

/// Holds an exit status until someone is there to hear of it.
private final class ExitBox: Sendable {
    private struct State {
        var status: Int32?
        var receiver: (@Sendable (Int32) -> Void)?
    }

    private let state = Mutex(State())

    func set(_ status: Int32) {
        let receiver = state.withLock { state in
            state.status = status
            return state.receiver
        }
        receiver?(status)
    }

    func forward(to receiver: @escaping @Sendable (Int32) -> Void) {
        let status = state.withLock { state in
            state.receiver = receiver
            return state.status
        }
        if let status { receiver(status) }
    }
}

/// Runs a short program to its end.
///
/// - Throws: where it fails, with what it wrote.
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
    try process.run()
    let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw BenchError(
            "\(program) \(arguments.joined(separator: " ")) failed (\(process.terminationStatus)):\n\(text)")
    }
    return text
}

/// The bench can't go on.
public struct BenchError: Error, CustomStringConvertible {
    /// What happened.
    public let description: String

    /// An error.
    public init(_ description: String) { self.description = description }
}
