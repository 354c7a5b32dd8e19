import ArgumentParser
import Foundation
import LoadClient
import Synchronization
import TestBench
import XDS

/// `make bench-fanout`: measures the cost of pushes, of changes and of many clients.
struct Fanout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures what a push to many clients costs, and writes fanout.json and fanout.svg.",
        discussion: """
            Everything runs on this machine, the clients too: compare what was measured in one sitting. docs/explanation/performance.md \
            says how to read it.
            """)

    @OptionGroup var options: ToolOptions

    @Option(
        help:
            "A server to compare with, NAME=PROGRAM: started as PROGRAM PORT CONTROL_PORT ENDPOINTS THREADS, serves cluster-0 over EDS, and changes it at every POST to the control port."
    )
    var floor: String?

    @Option(
        help:
            "Another, NAME=PROGRAM: started with -addr, -ctl, -clusters and -endpoints, and told to change by POST /?cluster=NUMBER."
    )
    var peer: String?

    @Option(parsing: .upToNextOption, help: "What to measure: push, names, change, scale; all unless given.")
    var parts: [Part] = Part.allCases

    @Option(help: "Clients, but for `scale`.")
    var streams = 1_000

    @Option(help: "Changes of each measurement, one after the other.")
    var rounds = 20

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case push, names, change, scale
    }

    func run() async throws {
        var report = FanoutReport(machine: Machine.description)
        say(report.machine)
        let directory = options.absolute("\(options.output)/fanout")
        try? FileManager.default.removeItem(atPath: directory)
        for part in parts {
            switch part {
            case .push: report.pushes = try await pushes(directory)
            case .names: report.names = try await names(directory)
            case .change: report.changes = try await changes(directory)
            case .scale: report.scale = try await Scale(ballast: options.absolute(options.ballast), directory).play()
            }
        }
        let path = options.absolute("\(options.output)/fanout")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(report).write(to: URL(fileURLWithPath: "\(path).json"))
        if !report.pushes.isEmpty {
            try FanoutChart(report).svg.write(toFile: "\(path).svg", atomically: true, encoding: .utf8)
        }
        say("\n\(report.text)\nWritten to \(path).json and \(path).svg.")
    }

    /// Compares the servers, by the number of endpoints of one service.
    private func pushes(_ directory: String) async throws -> [FanoutReport.Row] {
        var rows: [FanoutReport.Row] = []
        for endpoints in [100, 1_000, 10_000] {
            for contender in contenders {
                let server = try await contender.start(
                    directory, ServerSize(services: 1, endpoints: endpoints), ballast: options.absolute(options.ballast)
                )
                rows.append(
                    FanoutReport.Row(
                        server: contender.name, endpoints: endpoints, names: 1,
                        load: try await measure(server, contender)))
            }
        }
        return rows
    }

    /// Measures Ballast's streams with many names each; the cost of a push must not grow with the names.
    private func names(_ directory: String) async throws -> [FanoutReport.Row] {
        var rows: [FanoutReport.Row] = []
        for (names, endpoints) in [(1, 100), (100, 100), (1_000, 10)] {
            for contender in [Contender.ballast(.sotw), .ballast(.delta)] + peers {
                let server = try await contender.start(
                    directory, ServerSize(services: names, endpoints: endpoints),
                    ballast: options.absolute(options.ballast))
                rows.append(
                    FanoutReport.Row(
                        server: contender.name, endpoints: endpoints, names: names,
                        load: try await measure(server, contender)))
            }
        }
        return rows
    }

    /// Changes one pod of one service among many services of 100 pods each.
    private func changes(_ directory: String) async throws -> [FanoutReport.Row] {
        var rows: [FanoutReport.Row] = []
        for services in [10, 100, 1_000, 10_000] {
            let contender = Contender.ballast(.delta)
            var server = try await contender.start(
                directory, ServerSize(services: services, endpoints: 100), ballast: options.absolute(options.ballast))
            server.names = Array(server.names.prefix(1))
            let meter = StageMeter(admin: server.admin ?? 0)
            let before = try await meter.read()
            var row = FanoutReport.Row(
                server: contender.name, endpoints: 100, names: 1,
                load: try await measure(
                    server, contender, streams: 1, rounds: 100, whenDone: { try await meter.note() }))
            row.services = services
            row.sourceToSnapshot = meter.milliseconds(since: before)
            rows.append(row)
        }
        return rows
    }

    private var peers: [Contender] { [peer.map { Contender.peer(named($0)) }].compactMap(\.self) }

    private var contenders: [Contender] {
        [floor.map { Contender.floor(named($0)) }].compactMap(\.self)
            + [.ballast(.sotw), .ballast(.delta), .ballast(.leds)] + peers
    }

    private func named(_ option: String) -> (name: String, program: String) {
        let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
        return parts.count == 2
            ? (parts[0], options.absolute(parts[1]))
            : (URL(fileURLWithPath: option).lastPathComponent, options.absolute(option))
    }

    private func measure(
        _ server: RunningServer, _ contender: Contender, streams: Int? = nil, rounds: Int? = nil,
        whenDone: () async throws -> Void = {}
    ) async throws -> LoadReport {
        say("  \(contender.name), \(server.size)")
        var plan = LoadPlan(server: server.address, names: server.names)
        plan.streams = streams ?? self.streams
        plan.connections = plan.streams
        plan.namesPerStream = server.names.count
        plan.variant = contender.form == .sotw ? .sotw : .delta
        plan.isAggregated = contender.form == .leds
        plan.usesLEDS = contender.form == .leds
        let run = try LoadRun(plan, trigger: server.trigger, server: Int(server.process.identifier)) { _ in }
        do {
            let report = try await run.play(.rounds(rounds ?? self.rounds), patience: .seconds(120), listening: .zero)
            try await whenDone()
            await server.process.stop()
            return report
        } catch {
            await server.process.stop()
            throw error
        }
    }
}

/// Reads how long changes take from source to snapshot.
private final class StageMeter: Sendable {
    typealias Reading = (seconds: Double, count: Double)

    private let admin: Int
    private let last = Mutex<Reading>((0, 0))

    init(admin: Int) { self.admin = admin }

    func read() async throws -> Reading {
        let name = "ballast_source_to_snapshot_seconds"
        return (
            try await RunningServer.metric("\(name)_sum", admin), try await RunningServer.metric("\(name)_count", admin)
        )
    }

    func note() async throws {
        let reading = try await read()
        last.withLock { $0 = reading }
    }

    func milliseconds(since start: Reading) -> Double {
        last.withLock { 1_000 * ($0.seconds - start.seconds) / max($0.count - start.count, 1) }
    }
}

/// The machine that runs the measurements.
enum Machine {
    static var description: String {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let model = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last.map { $0.dropFirst() }
        let memory = ProcessInfo.processInfo.physicalMemory / 1_073_741_824
        return "\(ProcessInfo.processInfo.activeProcessorCount) cores (\(model ?? "unknown")), \(memory) GiB"
    }
}
