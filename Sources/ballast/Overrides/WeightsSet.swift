import ArgumentParser
import Overrides

/// `ballast weights set`: changes the shares of clusters, or the weights of pods.
struct WeightsSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes the shares of a service; shows the plan first, and asks.",
        discussion: WeightChange.discussion)

    @OptionGroup var change: WeightChange
    @OptionGroup var options: OverrideOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            try await options.apply(try change.fill(try options.spec(change.service)), admin)
        }
    }
}
