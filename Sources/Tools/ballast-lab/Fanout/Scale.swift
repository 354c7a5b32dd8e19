import Foundation
import LoadClient
import TestBench
import XDS

/// The results with thousands of clients.
struct ScaleReport: Codable {
    /// All clients in sync, then changes for a while.
    var changing: LoadReport
    /// The server's CPU time per second while changes were made.
    var coresBusy: Double
    /// The clients that reconnected after a restart.
    var returning: LoadReport
    /// From the restart until the server had received a request from every client, in seconds.
    var secondsUntilBack: Double
    /// The bytes of responses that the restarted server had sent by then.
    var bytesSentToReturning: Int

    var text: String {
        let changes = changing.changes
        return """
            \(grouped(changing.streams)) clients of \(changing.namesPerStream) of 1,000 services: in sync after \
            \(changing.sync.seconds) s; then \(changes?.count ?? 0) changes: \(grouped(changes?.receipts ?? 0)) receipts, \
            \(changes?.missing ?? 0) missing, \(changes?.latency?.text ?? "-"); \(decimal(coresBusy)) cores busy, \
            \(changing.serverMemory?.peak ?? 0) MB at the peak.
            \(grouped(returning.streams)) clients: in sync after \(returning.sync.seconds) s, \
            \(returning.serverMemory?.synced ?? 0) MB; after a restart all were back within \(decimal(secondsUntilBack)) s, \
            and were sent \(bytesSentToReturning) bytes.
            """
    }
}

/// 5,000 clients with 250 changes per second, and 10,000 clients that reconnect at once after a restart.
struct Scale {
    private let ballast: String
    private let directory: String
    private let size = ServerSize(services: 1_000, endpoints: 10)

    init(ballast: String, _ directory: String) {
        self.ballast = ballast
        self.directory = directory
    }

    func play() async throws -> ScaleReport {
        say("  5,000 clients, 250 changes a second for a minute")
        let (changing, coresBusy) = try await change()
        say("  10,000 clients, and a restart")
        let back = try await restart()
        return ScaleReport(
            changing: changing, coresBusy: coresBusy, returning: back.report, secondsUntilBack: back.seconds,
            bytesSentToReturning: back.bytes)
    }

    private func plan(_ server: RunningServer, streams: Int) -> LoadPlan {
        var plan = LoadPlan(server: server.address, names: server.names)
        plan.streams = streams
        plan.connections = streams
        plan.namesPerStream = 10
        plan.variant = .delta
        return plan
    }

    private func change() async throws -> (LoadReport, Double) {
        let server = try await Contender.ballast(.delta).start(directory, size, ballast: ballast)
        let run = try LoadRun(
            plan(server, streams: 5_000), trigger: server.trigger, server: Int(server.process.identifier)
        ) { _ in }
        let report = try await run.play(
            .rate(perSecond: 250, seconds: 60), patience: .seconds(60), listening: .zero)
        await server.process.stop()
        let changes = report.changes
        let cpu = (changes?.serverCPUMicroseconds ?? 0) * Double(changes?.responses ?? 0) / 1_000_000
        return (report, cpu / 60)
    }

    private func restart() async throws -> (report: LoadReport, seconds: Double, bytes: Int) {
        let (port, admin) = (Int.random(in: 20_000..<25_000), Int.random(in: 25_000..<30_000))
        let server = try await RunningServer.ballast(ballast, directory, size, port: port, admin: admin)
        let plan = plan(server, streams: 10_000)
        let (synced, continuation) = AsyncStream.makeStream(of: Void.self)
        let run = try LoadRun(plan, trigger: nil, server: Int(server.process.identifier)) { line in
            if line.contains("10000 of 10000 in sync") { continuation.yield() }
        }
        async let report = run.play(.none, patience: .seconds(120), listening: .seconds(40))
        for await _ in synced { break }
        server.process.signal(SIGKILL)
        _ = await server.process.waitForExit()
        let start = ContinuousClock.now
        let next = try ManagedProcess(
            "ballast", ballast, ["serve", "--config", "ballast.yaml", "--log-level", "warning"], directory: directory,
            logPath: "\(directory)/again.log")
        try await eventually("all have come back") {
            (try? await RunningServer.metric("ballast_requests_total", admin)) ?? 0 >= 10_000
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let bytes = try await RunningServer.metric("ballast_pushed_bytes_total", admin)
        let result = try await report
        await next.stop()
        return (result, seconds, Int(bytes))
    }
}
