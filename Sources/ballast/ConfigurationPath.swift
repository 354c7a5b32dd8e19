import ArgumentParser

/// The path of the configuration file, as an argument or as `--config`.
struct ConfigurationPath: ParsableArguments {
    @Argument(help: "The configuration file; see docs/reference/configuration.md.")
    var file: String?

    @Option(help: ArgumentHelp("The configuration file, as an option.", valueName: "file"))
    var config: String?

    func validate() throws {
        guard (file == nil) != (config == nil) else {
            throw ValidationError("name the configuration file once, such as: --config ballast.yaml")
        }
    }

    var path: String { config ?? file ?? "" }
}
