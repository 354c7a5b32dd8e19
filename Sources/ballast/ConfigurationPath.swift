import ArgumentParser

/// The path of the configuration file, as an argument or as `--config`.
struct ConfigurationPath: ParsableArguments {
    @Argument(help: "The configuration file; docs/reference/configuration.md describes it.")
    var file: String?

    @Option(help: ArgumentHelp("The same.", valueName: "file"))
    var config: String?

    func validate() throws {
        guard (file == nil) != (config == nil) else {
            throw ValidationError("name the configuration file once, such as: --config ballast.yaml")
        }
    }

    var path: String { config ?? file ?? "" }
}
