import ArgumentParser
import Foundation
import TestBench

/// The tool that tests, measures and attacks Ballast: `make run`, `bench`, `conformance`, `soak`, `attack` and others.
@main
struct BallastLab: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ballast-lab",
        abstract: "Runs Ballast between real Envoys on loopback; measures it, attacks it, and tests the protocol.",
        subcommands: [
            Run.self, Play.self, Ramp.self, Istio.self, PlayConformance.self, Soak.self, Attack.self, Fanout.self,
            KubernetesScale.self,
        ]
    )
}

/// The paths of programs, configurations and output.
struct ToolOptions: ParsableArguments {
    @Option(help: "The ballast program.")
    var ballast: String

    @Option(help: "The envoy program.")
    var envoy = ".build/venv/bin/envoy"

    @Option(help: "The directory of the example configurations.")
    var configs = "envoy-configs"

    @Option(help: "The directory for files, logs and the report.")
    var output = ".build/bench"

    var tools: BenchTools { BenchTools(ballast: absolute(ballast), envoy: absolute(envoy), configs: absolute(configs)) }

    func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }
}

/// `make bench`.
struct Play: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plays the whole story, and writes report.json and report.svg.")

    @OptionGroup var options: ToolOptions

    @Option(parsing: .upToNextOption, help: "The scenes to play, by their letters; all unless given.")
    var scenes: [String] = []

    func run() async throws {
        var report = Report()
        let bench = try Bench(options.tools, directory: options.absolute("\(options.output)/play"))
        let start = ContinuousClock.now
        try await stopping(bench) {
            let story = Story(bench) { say("  \($0)") }
            let chosen = Scene.all.filter { scenes.isEmpty || scenes.contains($0.title.id) }
            report.scenes = try await story.play(chosen)
            guard scenes.isEmpty else { return }
            say("  100 changes of an endpoints file")
            report.changeToApplied = try await story.measureChanges()
            say("  20 new remote pods")
            report.changeToFirstRequest = try await story.measureFirstRequests()
            say("  200 remote pods behind one gateway")
            report.manyPods = try await story.measureManyPods()
        }
        let path = options.absolute("\(options.output)/report")
        try report.write(to: "\(path).json")
        try Chart(report).svg.write(toFile: "\(path).svg", atomically: true, encoding: .utf8)
        say("\nRequests by pod; in brackets, what equal pods would get.\n\n\(report.table)\n")
        if let latency = report.changeToApplied {
            say("From rename of the endpoints file to Envoy having applied it, \(latency.description).")
        }
        if let latency = report.changeToFirstRequest {
            say("From a new remote pod's line to its first request, \(latency.description).")
        }
        if let many = report.manyPods { say(many.description) }
        say("Written to \(path).json and \(path).svg after \((ContinuousClock.now - start).components.seconds) s.")
    }
}

/// Prints a line without buffering, even if standard output is a file or a pipe.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

/// Runs `body`, and then stops the bench's processes, even if `body` throws.
func stopping(_ bench: Bench, _ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch {
        await bench.stop()
        throw error
    }
    await bench.stop()
}
