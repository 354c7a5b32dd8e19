import ArgumentParser

/// `ballast weights`: sees and changes the shares of a service.
struct Weights: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows and changes the shares of a service.",
        subcommands: [
            WeightsShow.self, WeightsSet.self, WeightsPause.self, WeightsResume.self, WeightsEnd.self,
            WeightsExport.self,
        ])
}
