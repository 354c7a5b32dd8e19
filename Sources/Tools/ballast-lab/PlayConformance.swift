import ArgumentParser
import Conformance
import Foundation
import TestBench

/// `make conformance`.
struct PlayConformance: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance",
        abstract: "Plays the rules of xDS against a server, and prints a table of what it keeps.",
        discussion: """
            Without --server, a Ballast is started for each form (SotW or delta, over ADS or with separate streams). Any other \
            server has to be running, to read an endpoints file in Ballast's form, and to serve each service in it as a \
            cluster, and its endpoints, under the service's name.
            """
    )

    @Option(help: "The ballast program to test.")
    var ballast = ".build/release/ballast"

    @Option(help: "Another server to test, by its address: 127.0.0.1:18000.")
    var server: String?

    @Option(help: "The endpoints file that the other server reads; it is overwritten.")
    var endpoints: String?

    @Option(help: "A command to run whenever the file has changed, for servers that don't watch it.")
    var onChange: String?

    @Option(help: "Cases to play; all where none is named.")
    var only: [String] = []

    @Option(help: "Where to write the table, as Markdown.")
    var table: String?

    @Option(help: "Where to write a summary of it, by feature.")
    var summary: String?

    func validate() throws {
        guard (server == nil) == (endpoints == nil) else {
            throw ValidationError("--server and --endpoints belong together")
        }
    }

    func run() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("conformance-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let say = { @Sendable (line: String) in FileHandle.standardError.write(Data("\(line)\n".utf8)) }
        let start = ContinuousClock.now
        let outcome: Outcome
        if let server, let endpoints {
            let other = OtherServer(address: server, endpoints: endpoints, onChange: onChange)
            outcome = try await runConformance(only: Set(only), oneAfterTheOther: true, progress: say) { _ in other }
        } else {
            let servers = BallastServers(
                program: URL(fileURLWithPath: ballast).path, directory: directory)
            outcome = try await runConformance(only: Set(only), progress: say) { try await servers.start("\($0)") }
            await servers.stop()
        }
        print(outcome.table)
        if let table { try "\(outcome.table)\n".write(toFile: table, atomically: true, encoding: .utf8) }
        if let summary { try "\(outcome.summary)\n".write(toFile: summary, atomically: true, encoding: .utf8) }
        let counts = outcome.counts
        say(
            "\(outcome.verdicts.count) rules in \(ContinuousClock.now - start): \(counts.passed) passed, \(counts.failed) failed, \(counts.skipped) skipped"
        )
        if counts.failed > 0 { throw ExitCode.failure }
    }
}
