import AdminAPI
import ArgumentParser
import Foundation
import YAMLFile
import Yams

/// How a command reaches the admin API, and how it prints.
struct AdminOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("server")],
        help: "The admin API's address; by default the environment variable BALLAST_ADMIN, or http://127.0.0.1:18080.")
    var admin: String?

    @Option(help: "The file with the admin API's token (admin.tokenFile).")
    var tokenFile: String?

    @Option(
        name: .shortAndLong, help: ArgumentHelp("How to print: table, wide, json, yaml or name.", valueName: "format"))
    var output = OutputFormat.table

    var client: AdminClient {
        get throws {
            var client = try AdminClient(
                admin ?? AdminClient.defaultAddress, token: tokenFile.map { try TextFile.token($0) })
            client.cleansTexts = output.isTable || output == .name
            return client
        }
    }
}

/// How a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, wide, json, yaml, name

    /// Whether people read it.
    var isTable: Bool { self == .table || self == .wide }

    /// Prints a page as programs read it, or its names.
    func print(_ page: some Encodable, names: [String]) throws {
        switch self {
        case .table, .wide: break
        case .json: try printJSON(page)
        case .yaml:
            let encoder = YAMLEncoder()
            encoder.options.sortKeys = true
            Output.write(try encoder.encode(page).trimmingSuffix("\n"))
        case .name: for name in names { Output.write(name) }
        }
    }
}
