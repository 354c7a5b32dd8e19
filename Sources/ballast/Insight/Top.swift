import AdminAPI
import ArgumentParser
import Foundation

/// `ballast top`: a live view of `ballast status`.
struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the status again every two seconds, until interrupted; changes nothing.")

    @Option(help: "The number of times; until interrupted by default.")
    var times: Int?

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            let client = try admin.client
            var left = times ?? .max
            while left > 0 {
                let page = try await client.get(OverviewPage.self, .overview)
                // Clears the screen, where there is one.
                if isatty(STDOUT_FILENO) == 1 { print("\u{1B}[H\u{1B}[2J") }
                page.show()
                left -= 1
                if left > 0 { try await Task.sleep(for: .seconds(2)) }
            }
        }
    }
}
