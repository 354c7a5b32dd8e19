import Model
import AdminAPI
import ArgumentParser
import Overrides

/// The options of a command that changes an override.
struct TransitionOptions: ParsableArguments {
    @Option(help: "Why.")
    var reason: String?

    @OptionGroup var admin: AdminOptions

    /// Adds a transition, and prints the override's phase.
    func append(_ kind: Override.Transition.Kind, to id: String) async throws {
        try await reportingFailures {
            let page = try await admin.client.post(
                OverridePage.self, .transitions, name: id, TransitionRequest(type: kind, reason: reason))
            guard admin.output.isTable else { return try admin.output.print(page, names: [id]) }
            print("\(id) is \(page.phase.rawValue), at \(decimal(page.level * 100)) % of its effect")
        }
    }
}

/// `ballast weights pause`: stops a ramp at its current step.
struct WeightsPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pause", abstract: "Stops a ramp at its current step.")
    @Argument(help: "The override.") var id: String
    @OptionGroup var options: TransitionOptions
    func run() async throws { try await options.append(.pause, to: id) }
}

/// `ballast weights resume`: continues a ramp.
struct WeightsResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Continues a ramp.")
    @Argument(help: "The override.") var id: String
    @OptionGroup var options: TransitionOptions
    func run() async throws { try await options.append(.resume, to: id) }
}

/// `ballast weights end`: ends an override before its time.
struct WeightsEnd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "end", abstract: "Ends an override now, with its restore steps if it has some.")
    @Argument(help: "The override.") var id: String
    @OptionGroup var options: TransitionOptions
    func run() async throws { try await options.append(.revert, to: id) }
}

/// `ballast undo`: ends the latest override, or the named one.
struct Undo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends the latest override that is in force, or the named one.")
    @Argument(help: "The override; the latest by default.") var id: String?
    @OptionGroup var options: TransitionOptions

    func run() async throws {
        try await reportingFailures {
            var id = id
            if id == nil {
                let page = try await options.admin.client.get(OverridesPage.self, .overrides)
                let open = page.overrides.filter { $0.phase != .ended && $0.phase != .restoring }
                // One that has not begun yet is undone only if none is in force.
                id = (open.first { $0.phase != .scheduled } ?? open.first)?.override.id
            }
            guard let id else { throw CommandFailure("no override is in force", .failed) }
            try await options.append(.revert, to: id)
        }
    }
}
