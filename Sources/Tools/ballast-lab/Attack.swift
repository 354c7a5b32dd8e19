import ArgumentParser
import Attacks
import Foundation
import TestBench

/// `make attack`: shows what one hostile client, peer or source can do to Ballast.
struct Attack: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Attacks Ballast in every way of the suite, and writes attack.json and attack.md.",
        discussion: "Every attack has a server of its own on loopback. Exits with 1 where a bar was missed."
    )

    @Argument(help: "The attacks to play, by their names; all unless given.")
    var names: [String] = []

    @Option(help: "The ballast program.")
    var ballast: String

    @Option(help: "The directory for files, logs and the report.")
    var output = ".build/bench"

    @Flag(help: "Plays the short forms, as the tests do.")
    var short = false

    @Option(help: "How long floods last, in seconds; each attack has a number of its own.")
    var seconds: Int?

    @Flag(help: "Lists the attacks and their bars, and plays none.")
    var list = false

    @Flag(
        inversion: .prefixedNo, help: "Puts servers into a control group of 1 GiB and 2 cores where that can be made.")
    var limits = true

    func validate() throws {
        let known = Set(AttackSuite.all.map(\.name))
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw ValidationError("there is no attack \(unknown); --list has all of them")
        }
    }

    func run() async throws {
        let chosen = AttackSuite.all.filter { names.isEmpty || names.contains($0.name) }
        if list {
            for attack in chosen { say("\(attack.name): \(attack.summary). Bar: \(attack.bar).") }
            return
        }
        var stage = AttackStage(
            ballast: URL(fileURLWithPath: ballast).path, directory: URL(fileURLWithPath: "\(output)/attack").path,
            scale: AttackScale(isShort: short, seconds: seconds))
        var place = "without limits"
        if limits {
            do {
                let group = try ControlGroup(memoryBytes: 1 << 30, cores: 2)
                stage.group = group
                place = "in \(group.description)"
            } catch {
                say("Without limits of memory and CPU: \(error)")
            }
        }
        defer { stage.group?.remove() }
        var report = AttackReport(place: place)
        for attack in chosen {
            let result = await AttackSuite.play(attack, on: stage)
            report.results.append(result)
            say("\(result.isHeld ? "held  " : "broken") \(result.name) (bar: \(result.bar)): \(result.text)")
        }
        let path = URL(fileURLWithPath: "\(output)/attack").path
        try report.write(to: path)
        let broken = report.results.count { !$0.isHeld }
        say("\(report.results.count - broken) held, \(broken) broken. Written to \(path).json and \(path).md.")
        if broken > 0 { throw ExitCode.failure }
    }
}
