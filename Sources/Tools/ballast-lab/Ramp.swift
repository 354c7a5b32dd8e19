import AdminAPI
import ArgumentParser
import Foundation
import TestBench

/// Measures what clients do in each step of a ramp.
struct Ramp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ramps the share of west under load, and compares each step with the requests counted at the pods.")

    @OptionGroup var options: ToolOptions

    @Option(help: "The number of steps.")
    var steps = 20

    @Option(help: "The seconds of each step.")
    var each = 12

    @Option(help: "The share of west at the end, in percent; it begins with 60.")
    var share = 20

    func run() async throws {
        let bench = try Bench(options.tools, directory: options.absolute("\(options.output)/ramp"))
        try await stopping(bench) {
            try await Stage.prepare(bench)
            let stage = Stage(bench, .http2, workers: 2)
            try await stage.open(Plan(.pods), east: ["e1", "e2"], west: ["w1", "w2", "w3"])
            await bench.stop("ballast")
            try bench.write(
                Plan(.pods).configuration(bench, .http2) + "overrides: {store: memory}\n", to: "ballast.yaml")
            try await bench.startBallast()
            try await stage.wait(Plan(.pods))
            let result = try await Load(bench).around(pause: .milliseconds(1)) { try await measure(bench, $0) }
            say("\(result.requests) requests, \(result.failed) failed")
        }
    }

    /// Counts from 2 to 10 seconds after each step.
    private func measure(_ bench: Bench, _ load: Load) async throws {
        _ = try TestBench.run(
            options.tools.ballast,
            ["weights", "set", "httpbin", "west=\(share)%", "--over", "\(steps * each)s", "--steps", "\(steps)"]
                + ["--permanent", "--reason", "a measured ramp", "--yes", "--admin", admin(bench)],
            directory: bench.directory)
        say("step  intended  counted  requests")
        var worst = 0.0
        for step in 1...steps {
            try await eventually("step \(step)") { try level(bench) >= Double(step) / Double(steps) - 1e-6 }
            try await Task.sleep(for: .seconds(2))
            let start = load.result
            try await Task.sleep(for: .seconds(8))
            let part = load.result - start
            let west = part.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
            let counted = Double(west) / Double(max(part.requests, 1)) * 100
            let intended = 60 + Double(share - 60) * Double(step) / Double(steps)
            worst = max(worst, abs(counted - intended))
            say("\(step)  \(decimal(intended)) %  \(decimal(counted)) %  \(part.requests)")
        }
        say("the largest deviation: \(decimal(worst)) points")
    }

    private func level(_ bench: Bench) throws -> Double {
        let text = try TestBench.run(
            options.tools.ballast, ["overrides", "-o", "json", "--admin", admin(bench)], directory: bench.directory)
        return try AdminJSON.decode(OverridesPage.self, from: Data(text.utf8)).overrides.first?.level ?? 0
    }

    private func admin(_ bench: Bench) -> String { "http://\(bench.host):\(Bench.adminPort)" }
}
