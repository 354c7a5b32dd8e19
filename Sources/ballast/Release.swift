import AdminAPI
import ArgumentParser
import Foundation
import YAMLFile

/// `ballast release`: releases held pods.
struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Releases held pods, which are served although their source no longer lists them.",
        discussion: """
            GET /readyz shows the held pods, the reasons and the ends. Each replica has holds of its own: give all replicas, \
            or a host name with all their addresses, such as a headless Service's.
            """
    )

    @Argument(help: "The service.")
    var service: String

    @Option(help: "Only in this mesh cluster.")
    var cluster: String?

    @Option(
        name: [.long, .customLong("server")],
        help: """
            The admin API of a replica; may be repeated. By default the environment variable BALLAST_ADMIN, or \
            http://127.0.0.1:18080.
            """)
    var admin: [String] = []

    @Option(help: "The file with the admin API's token (admin.tokenFile).")
    var tokenFile: String?

    @Option(
        name: .shortAndLong, help: ArgumentHelp("How to print: table, wide, json, yaml or name.", valueName: "format"))
    var output = OutputFormat.table

    func run() async throws {
        try await reportingFailures {
            let token = try tokenFile.map { try TextFile.token($0) }
            let replicas = try (admin.isEmpty ? [AdminClient.defaultAddress] : admin).flatMap(Replicas.addresses)
            var released: [ReleasePage] = []
            var failures: [CommandFailure] = []
            for address in replicas {
                let place = replicas.count == 1 ? "" : "\(address): "
                do {
                    let page = try await AdminClient(address, token: token).post(
                        ReleasePage.self, .release, name: service, query: [("cluster", cluster)])
                    released.append(page)
                    if output.isTable {
                        print("\(place)\(service) released in \(page.released.joined(separator: ", "))")
                    }
                } catch let problem as ProblemPage where problem.status == 404 && replicas.count > 1 {
                    // A replica that holds nothing is no failure if another one does.
                    say("\(place)\(problem.detail)")
                } catch let problem as ProblemPage {
                    failures.append(CommandFailure("\(place)\(problem.detail)", CommandFailure(problem).code))
                } catch let failure as CommandFailure {
                    failures.append(failure)
                }
            }
            if !output.isTable { try output.print(released, names: released.flatMap(\.released)) }
            for failure in failures.dropLast() { say("error: \(failure.sentence)") }
            if let failure = failures.last { throw failure }
            guard !released.isEmpty else { throw CommandFailure("no replica held pods of \(service)", .failed) }
        }
    }
}

/// The replicas behind one URL.
private enum Replicas {
    /// The URL itself, or one URL for each address of its host name if there are several.
    static func addresses(at text: String) throws -> [String] {
        guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty else { return [text] }
        let isAddress = host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." }
        let known = isAddress || host == "localhost" ? [] : Set(Host(name: host).addresses).sorted()
        guard known.count > 1 else { return [text] }
        return known.map { address in
            let port = url.port.map { ":\($0)" } ?? ""
            return "\(url.scheme ?? "http")://\(address.contains(":") ? "[\(address)]" : address)\(port)"
        }
    }
}
