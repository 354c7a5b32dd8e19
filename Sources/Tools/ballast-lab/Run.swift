import ArgumentParser
import Foundation
import TestBench
import UnixSignals

/// `make run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keeps the bench running, with a line of shares a second, until Ctrl-C."
    )

    @OptionGroup var options: ToolOptions

    @Option(help: "Stop after so many seconds.")
    var seconds: Int?

    func run() async throws {
        let bench = try Bench(
            options.tools, directory: options.absolute("\(options.output)/run"), network: Bench.documentedNetwork
        )
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        try await stopping(bench) {
            try await withThrowingTaskGroup { group in
                group.addTask { for await _ in signals { return } }
                group.addTask { try await show(bench) }
                try await group.next()
                group.cancelAll()
            }
        }
        say("\nEvery process is stopped.")
    }

    private func show(_ bench: Bench) async throws {
        let live = LiveShares(bench)
        try await live.start { say("  \($0)") }
        say(
            """

            Ballast        xDS \(bench.host):\(Bench.xdsPort), log \(bench.directory)/ballast.log
                           http://\(bench.host):\(Bench.adminPort)/v1/services and /v1/clients
            Client         http://\(bench.host):\(Bench.clientPort)/ in east, admin http://\(bench.host):9901/
            Try            edit \(bench.directory)/west.yaml (or east.yaml): weights, health, fewer pods; or one more:
                           - \(try live.idlePod("w4"))    idle: \(LiveShares.idlePods.joined(separator: ", "))
                           (few pods at once, unannounced, are held: the log says so, and how to let them go)
                           \(options.tools.ballast) weights set httpbin west=20% --over 30s --for 10m --reason "a try"
                           and back: \(options.tools.ballast) undo
                           edit \(bench.directory)/ballast.yaml, then: kill -HUP \(try bench.process("ballast").identifier)

            Requests of the last second; after each cluster, measured and (intended) share. Ctrl-C ends everything.
            """
        )
        try await live.run(seconds: seconds) { say($0) }
    }
}
