import AdminAPI
import Foundation
import GRPCTransport
import LoadClient
import TestBench

/// `ballast serve` as a process, which is attacked.
final class Victim: Sendable {
    /// Its files and its log.
    let directory: String
    let isTLS: Bool
    /// How long its clients wait.
    let patience: Duration
    /// The port of xDS.
    let xdsPort: Int
    /// The port of the admin API.
    let adminPort: Int
    private let process: ManagedProcess

    /// Starts it, and waits until it is ready.
    ///
    /// - Parameters:
    ///   - openFiles: the most open files that it may have.
    ///   - patience: how long its clients wait.
    ///   - group: what it may have of the machine.
    init(
        _ program: String, _ configuration: VictimConfiguration, directory: String, openFiles: Int?,
        patience: Duration, group: ControlGroup?
    ) async throws {
        self.directory = directory
        self.patience = patience
        isTLS = configuration.isTLS
        try configuration.text.write(toFile: "\(directory)/ballast.yaml", atomically: true, encoding: .utf8)
        if !FileManager.default.fileExists(atPath: "\(directory)/home.yaml") {
            try VictimConfiguration.home(weight: 1)
                .write(toFile: "\(directory)/home.yaml", atomically: true, encoding: .utf8)
        }
        var script = (group?.membership ?? []).map { "echo $$ >'\($0)' && " }.joined()
        if let openFiles { script += "ulimit -n \(openFiles) && " }
        let process = try ManagedProcess(
            "ballast", "/bin/sh",
            ["-c", script + "exec \"$@\"", "sh", program, "serve", "--config", "ballast.yaml"],
            directory: directory, logPath: "\(directory)/ballast.log")
        self.process = process
        do {
            var ports: (xds: Int, admin: Int)?
            try await eventually(within: .seconds(30), "Ballast listens") {
                guard process.isRunning else { return true }
                let log = process.log
                guard let xds = Self.port(of: "xDS server listening", in: log),
                    let admin = Self.port(of: "admin API listening", in: log)
                else { return false }
                ports = (xds, admin)
                return try await HTTPConnection.get(host: "127.0.0.1", port: admin, "/readyz").status == 200
            }
            guard let ports, process.isRunning else { throw BenchError("Ballast ended: \(process.log.suffix(2_000))") }
            (xdsPort, adminPort) = ports
        } catch {
            await process.stop()
            throw BenchError("\(error): \(process.log.suffix(2_000))")
        }
    }

    /// The `port=` of the log line that has that text.
    private static func port(of event: String, in log: String) -> Int? {
        guard let line = log.split(separator: "\n").first(where: { $0.contains(event) }),
            let field = line.split(separator: " ").first(where: { $0.hasPrefix("port=") })
        else { return nil }
        return Int(field.dropFirst("port=".count))
    }

    /// Whether it still runs.
    var isRunning: Bool { process.isRunning }

    /// Nil after its end.
    var usage: ProcessUsage? { ProcessUsage(of: Int(process.identifier)) }

    /// How long its log is, in bytes.
    var logBytes: Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(directory)/ballast.log")
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0
    }

    /// Removes its log where nobody would read that much.
    func dropLongLog() {
        if logBytes > 20_000_000 { try? FileManager.default.removeItem(atPath: "\(directory)/ballast.log") }
    }

    /// Ends it; one that takes no SIGTERM is killed after 10 s.
    ///
    /// - Returns: how long that took.
    @discardableResult
    func stop() async -> Duration {
        let start = ContinuousClock.now
        await process.stop()
        return ContinuousClock.now - start
    }

    /// A new connection of gRPC, as a client with a certificate where there is TLS.
    func channel() throws -> Channel {
        guard isTLS else { return try Channel(address: "127.0.0.1:\(xdsPort)") }
        let read = { (file: String) in
            try String(contentsOfFile: "\(self.directory)/certs/\(file)", encoding: .utf8)
        }
        return try Channel(
            address: "127.0.0.1:\(xdsPort)",
            security: .tls(
                roots: read("ca.crt"), serverName: "ballast.example",
                KeyPair(certificateChain: read("client.crt"), privateKey: read("client.key"))))
    }

    /// Asks the admin API; nil where no answer comes in time.
    func get(_ path: String, within limit: Duration = .seconds(5)) async -> HTTPAnswer? {
        await firstResult(within: limit) { [adminPort] in
            try? await HTTPConnection.get(host: "127.0.0.1", port: adminPort, path)
        }
    }

    /// Why a cluster's source is stale, by the admin API; nil where it isn't.
    func staleReason(of cluster: String) async -> String? {
        guard let answer = await get(AdminRoute.readiness.path()),
            let page = try? AdminJSON.decode(ReadinessPage.self, from: Data(answer.body.utf8))
        else { return nil }
        return page.sources.first { $0.cluster == cluster && $0.stale != nil }?.stale
    }

    /// Waits until a cluster's source is stale, for two minutes at most.
    ///
    /// - Parameter least: how long to wait in any case, since the attack goes on meanwhile.
    /// - Returns: how long it took; nil where it never was.
    func timeUntilStale(_ cluster: String, atLeast least: Duration) async throws -> Duration? {
        let start = ContinuousClock.now
        var found: Duration?
        while ContinuousClock.now - start < (found == nil ? .seconds(120) : least) {
            if found == nil, await staleReason(of: cluster) != nil { found = ContinuousClock.now - start }
            try await Task.sleep(for: .milliseconds(50))
        }
        return found
    }

    /// Puts a file into its directory by a rename.
    func write(_ text: String, to file: String) throws {
        try text.write(toFile: "\(directory)/\(file)", atomically: true, encoding: .utf8)
    }
}

/// What `body` returns, or nil when the time is over.
///
/// A body that can't be cancelled, such as a TCP connection that is being opened, is left to itself then.
func firstResult<Result: Sendable>(
    within limit: Duration, _ body: @escaping @Sendable () async -> Result?
) async -> Result? {
    let (results, continuation) = AsyncStream.makeStream(of: Result?.self)
    let work = Task { continuation.yield(await body()) }
    let clock = Task {
        try? await Task.sleep(for: limit)
        continuation.yield(nil)
    }
    defer {
        work.cancel()
        clock.cancel()
    }
    for await first in results { return first }
    return nil
}
