import ArgumentParser

@main
struct Ballast: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ballast",
        abstract: "A mini xDS control plane that balances a mesh federation at discovery time.",
        version: version,
        subcommands: [Serve.self, Validate.self, Release.self, Load.self]
    )

    static let version = "0.9.0"
}
