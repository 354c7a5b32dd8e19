import ArgumentParser
import Foundation
import TestBench

/// `make run` and `make bench`: the local bench of real Envoys.
@main
struct BallastBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs Ballast between real Envoys on loopback, with requests counted at the pods.",
        subcommands: [Run.self, Play.self]
    )
}

/// Where things are.
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
    static let configuration = CommandConfiguration(abstract: "Plays the whole story, and writes report.json.")

    @OptionGroup var options: ToolOptions

    @Option(help: "Requests in each scene.")
    var requests = 1_200

    func run() async throws {
        var report = Report()
        for upstream in Bench.UpstreamProtocol.allCases {
            let directory = options.absolute("\(options.output)/\(upstream == .http1 ? "http1" : "http2")")
            let bench = try Bench(options.tools, directory: directory)
            try await stopping(bench) {
                let story = Story(bench, upstream) { say("  \($0)") }
                report.scenes += try await story.play(requests: requests)
                guard upstream == .http2 else { return }
                say("  100 changes of an endpoints file")
                report.changeToApplied = try await story.measureChanges()
            }
        }
        let path = options.absolute("\(options.output)/report.json")
        try report.write(to: path)
        say("\nRequests by pod, counted at the pods; in brackets, what equal pods would get.\n\n\(report.table)")
        if let latency = report.changeToApplied {
            let figures = [latency.median, latency.p99, latency.max].map { String(format: "%.1f ms", $0) }
            say(
                """

                From rename of the endpoints file to Envoy having applied it, \(latency.changes) changes: \
                median \(figures[0]), p99 \(figures[1]), longest \(figures[2]).
                """
            )
        }
        say("\nWritten to \(path).")
    }
}

/// Prints a line at once, also where standard output is a file or a pipe.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

/// Ends a bench's processes, whether `body` returns or throws.
func stopping(_ bench: Bench, _ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch {
        await bench.stop()
        throw error
    }
    await bench.stop()
}
