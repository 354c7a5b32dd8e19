import ArgumentParser

@main
struct Ballast: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ballast",
        abstract: "A small xDS control plane for services that run in several clusters.",
        version: version,
        subcommands: [
            Serve.self, Validate.self, StatusCommand.self, Top.self, ClientsCommand.self, Endpoints.self, Explain.self,
            History.self, Weights.self, Drain.self, Undo.self, OverridesList.self, TrimCommand.self, WhatIf.self,
            Diff.self, Check.self, Publish.self, Release.self, Load.self,
        ]
    )

    static let version = "0.13.0"
}
