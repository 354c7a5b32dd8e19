import AdminAPI
import ArgumentParser
import Conformance
import Foundation
import LoadClient
import Synchronization
import TestBench

/// `make soak`: runs Ballast with hundreds of misbehaving clients while an Envoy and a gRPC client carry traffic.
struct Soak: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Has bad clients at Ballast while a good Envoy and a good gRPC client carry traffic; nothing may fail."
    )

    @OptionGroup var options: ToolOptions

    @Option(help: "How long, in seconds.")
    var seconds = 600

    @Option(help: "Clients that do anything at random.")
    var clients = 200

    @Option(help: "Changes of endpoints in a second.")
    var changes = 50

    func run() async throws {
        let bench = try Bench(options.tools, directory: options.absolute("\(options.output)/soak"))
        do {
            try await soak(bench)
        } catch {
            await bench.stop()
            throw error
        }
        await bench.stop()
    }

    private static let west = ["w1", "w2", "w3"]

    private func soak(_ bench: Bench) async throws {
        let services = (0..<40).map { "service-\($0)" }
        let echo = (1...5).map { "\(bench.network)\(30 + $0):50051" }
        let configuration = try bench.template("ballast.yaml")
            .replacing(
                "services:\n",
                with:
                    "  extra: {network: east, locality: {region: extra}, endpoints: {file: extra.yaml}}\n\nservices:\n  echo: {}\n"
                    + services.map { "  \($0): {}\n" }.joined())
        try bench.write(configuration, to: "ballast.yaml")
        try Self.write(0, services, echo, bench, changes: changes)
        let west = Self.west
        try await bench.startPods(["e1", "e2"] + west)
        try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
        try bench.publish(west.map(bench.pod), in: "west")
        try await bench.startBallast()
        try await bench.startGateway(.allClusters)
        try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
        try bench.write(bench.template("grpc-bootstrap.json"), to: "grpc-bootstrap.json")
        let python = try ManagedProcess(
            "python", URL(fileURLWithPath: options.tools.envoy).deletingLastPathComponent().path + "/python",
            [options.absolute("Tests/EnvoyTests/grpc_client.py"), "grpc-bootstrap.json", "echo", "\(seconds)s"]
                + echo.enumerated().map { "p\($0)=\($1)" },
            directory: bench.directory, logPath: "\(bench.directory)/python.log")

        let bad = RandomClients(count: clients, address: "\(bench.host):\(Bench.xdsPort)", names: services)
        let load = Load(bench)
        try await disturb(bench, services, echo, bad, load)
        // A NACKed resource is not sent again. So everything changes once more, and then all clients must hold the
        // same.
        try Self.write(nil, services, echo, bench, changes: changes)
        try await eventually("the last change is served") {
            try await bench.services().services.contains { $0.endpoints.first?.address == "10.39.255.255:80" }
        }
        let wrong = try await bad.check(within: .seconds(30))
        _ = await python.waitForExit()
        for line in wrong { print("missed the final state: \(line)") }
        print("Envoy: \(load.result.requests) requests, \(load.result.failed) failed")
        print("gRPC: \(python.log.split(separator: "\n").last ?? "nothing")")
        print("clients without the final state: \(wrong.count)")
        if load.result.failed > 0 || !wrong.isEmpty || !python.log.contains("failed=0") { throw ExitCode.failure }
    }

    /// Runs random clients, load and changes, and prints what they did.
    private func disturb(
        _ bench: Bench, _ services: [String], _ echo: [String], _ bad: RandomClients, _ load: Load
    ) async throws {
        let start = ContinuousClock.now
        let rounds = Rounds()
        var memory: [Int] = []
        try await withThrowingTaskGroup { group in
            group.addTask { await bad.run() }
            group.addTask { await load.runContinuously(connections: 4, pause: .milliseconds(2), most: 10_000_000) }
            group.addTask { [changes] in
                for round in 1... {
                    rounds.count.withLock { $0 = round }
                    try Self.write(round, services, echo, bench, changes: changes)
                    if round % (5 * changes) == 0 {
                        let count = [1, 2, 3][round / (5 * changes) % 3]
                        try bench.publish(Self.west.prefix(count).map(bench.pod), in: "west")
                    }
                    try await Task.sleep(until: start + .seconds(round) / changes, clock: .continuous)
                }
            }
            while start.duration(to: .now) < .seconds(seconds) {
                try await Task.sleep(for: .seconds(10))
                let ballast = try bench.process("ballast")
                guard ballast.isRunning else { throw BenchError("Ballast ended: \(ballast.log.suffix(2_000))") }
                memory.append((ProcessUsage(of: Int(ballast.identifier))?.residentBytes ?? 0) / 1024)
                let result = load.result
                print(
                    "\(Int(start.duration(to: .now) / .seconds(1))) s: \(result.requests) requests, \(result.failed) failed; \(memory.last ?? 0) kB"
                )
            }
            group.cancelAll()
            while let _ = await group.nextResult() {}
        }
        print(
            "\(rounds.count.withLock { $0 }) changes; \(clients) clients: \(await bad.counts.sorted { $0.key < $1.key })"
        )
        print("memory, kB, every 10 s: \(memory)")
    }

    /// Writes the endpoints: new pods for one service, and one gRPC pod left out; if `round` is nil, new pods for all
    /// services.
    private static func write(
        _ round: Int?, _ services: [String], _ echo: [String], _ bench: Bench, changes: Int
    ) throws {
        var lines = ["services:"]
        let away = round.map { $0 / changes % echo.count }
        let pods = echo.enumerated().filter { $0.offset != away }
            .map { "{name: p\($0.offset), address: \"\($0.element)\"}" }
        lines.append("  echo: [\(pods.joined(separator: ", "))]")
        for (index, service) in services.enumerated() {
            // A service's pods are those of the last round in which it changed.
            let own = round.map { $0 < index ? 0 : $0 - ($0 - index) % services.count } ?? 0xffff
            lines.append("  \(service): [{name: p, address: \"10.\(index).\(own >> 8 & 255).\(own & 255):80\"}]")
        }
        try bench.write(lines.joined(separator: "\n") + "\n", to: "extra.yaml")
    }
}

private final class Rounds: Sendable {
    let count = Mutex(0)
}
