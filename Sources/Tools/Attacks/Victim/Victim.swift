import AdminAPI
import Foundation
import GRPCTransport
import LoadClient
import TestBench

/// The attacked `ballast serve` process.
final class Victim: Sendable {
    /// The directory of its files and its log.
    let directory: String
    let isTLS: Bool
    /// The timeout of its clients.
    let patience: Duration
    let xdsPort: Int
    let adminPort: Int
    private let process: ManagedProcess

    /// Starts the process, and waits until it is ready.
    ///
    /// - Parameters:
    ///   - openFiles: the limit on open files.
    ///   - patience: the timeout of its clients.
    ///   - group: the control group to run in; nil for none.
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

    /// The `port=` in the log line that contains `event`.
    private static func port(of event: String, in log: String) -> Int? {
        guard let line = log.split(separator: "\n").first(where: { $0.contains(event) }),
            let field = line.split(separator: " ").first(where: { $0.hasPrefix("port=") })
        else { return nil }
        return Int(field.dropFirst("port=".count))
    }

    var isRunning: Bool { process.isRunning }

    /// Nil after the process has ended.
    var usage: ProcessUsage? { ProcessUsage(of: Int(process.identifier)) }

    /// The length of the log in bytes.
    var logBytes: Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(directory)/ballast.log")
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0
    }

    /// Removes the log if it is too long to be of use.
    func dropLongLog() {
        if logBytes > 20_000_000 { try? FileManager.default.removeItem(atPath: "\(directory)/ballast.log") }
    }

    /// Stops the process; it is killed 10 s after SIGTERM.
    ///
    /// - Returns: how long that took.
    @discardableResult
    func stop() async -> Duration {
        let start = ContinuousClock.now
        await process.stop()
        return ContinuousClock.now - start
    }

    /// Creates a gRPC channel; with TLS, it has a client certificate.
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

    /// Sends a request to the admin API; nil if no response comes in time.
    func get(_ path: String, within limit: Duration = .seconds(5)) async -> HTTPAnswer? {
        await firstResult(within: limit) { [adminPort] in
            try? await HTTPConnection.get(host: "127.0.0.1", port: adminPort, path)
        }
    }

    /// Why a cluster's source is stale, according to the admin API; nil if it isn't.
    func staleReason(of cluster: String) async -> String? {
        guard let answer = await get(AdminRoute.readiness.path()),
            let page = try? AdminJSON.decode(ReadinessPage.self, from: Data(answer.body.utf8))
        else { return nil }
        return page.sources.first { $0.cluster == cluster && $0.stale != nil }?.stale
    }

    /// Waits until a cluster's source is stale, for at most two minutes.
    ///
    /// - Parameter least: the minimum time to wait, since the attack continues meanwhile.
    /// - Returns: how long it took; nil if it did not become stale.
    func timeUntilStale(_ cluster: String, atLeast least: Duration) async throws -> Duration? {
        let start = ContinuousClock.now
        var found: Duration?
        while ContinuousClock.now - start < (found == nil ? .seconds(120) : least) {
            if found == nil, await staleReason(of: cluster) != nil { found = ContinuousClock.now - start }
            try await Task.sleep(for: .milliseconds(50))
        }
        return found
    }

    /// Replaces a file in the directory by a rename.
    func write(_ text: String, to file: String) throws {
        try text.write(toFile: "\(directory)/\(file)", atomically: true, encoding: .utf8)
    }
}

/// The result of `body`, or nil when the time is over.
///
/// If `body` can't be cancelled, for example while it opens a TCP connection, it continues in the background.
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
