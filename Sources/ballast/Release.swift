import AdminAPI
import ArgumentParser
import AsyncHTTPClient
import Foundation
import KubernetesClient
import MeshConfiguration
import NIOCore
import NIOHTTP1
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

    @Option(help: "The admin API of a replica; may be repeated.")
    var admin: [String] = ["http://127.0.0.1:18080"]

    @Option(help: "The file with the admin API's token (admin.tokenFile).")
    var tokenFile: String?

    func validate() throws {
        for admin in admin { _ = try AdminAddress.all(at: admin) }
    }

    func run() async throws {
        let token = try tokenFile.map { try TextFile.token($0) }
        var configuration = HTTPClient.Configuration()
        // Report at once if there is no server at the address.
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        var answers: [(address: String, answer: Answer)] = []
        for address in try admin.flatMap(AdminAddress.all(at:)) {
            answers.append((address, await ask(address, token, client)))
        }
        try await client.shutdown()
        for (address, answer) in answers {
            let line = answers.count == 1 ? answer.text : "\(address): \(answer.text)"
            if answer.isGood { print(line) } else { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
        }
        // A replica that holds nothing is no failure.
        guard answers.allSatisfy({ $0.answer.isGood || $0.answer.isVacant }), answers.contains(where: \.answer.isGood)
        else { throw ExitCode.failure }
    }

    private struct Answer {
        var text: String
        var isGood = false
        /// Whether the replica holds nothing.
        var isVacant = false
    }

    private func ask(_ address: String, _ token: String?, _ client: HTTPClient) async -> Answer {
        let path = AdminRoute.release.path(name: service, query: [("cluster", cluster)])
        var request = HTTPClientRequest(url: address + path)
        request.method = .POST
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        do {
            let response = try await client.execute(request, timeout: .seconds(10))
            let body = try await response.body.collect(upTo: 1 << 20)
            let text = String(buffer: body).trimmingCharacters(in: .whitespacesAndNewlines)
            return Answer(
                text: text.isEmpty ? "\(response.status)" : text, isGood: response.status == .ok,
                isVacant: response.status == .notFound)
        } catch {
            return Answer(
                text: """
                    \(address) \(ConnectionFailure.sentence(error)) (`admin.listen` of the Ballast's configuration is its \
                    address: --admin http://HOST:PORT)
                    """)
        }
    }
}

/// Finds the addresses of admin APIs.
private enum AdminAddress {
    /// The URL itself, or one URL for each address of its host name if there are several.
    static func all(at text: String) throws -> [String] {
        guard let url = URLComponents(string: text), url.scheme == "http" || url.scheme == "https", let host = url.host,
            !host.isEmpty
        else { throw ValidationError("--admin \(text): should be a URL such as http://127.0.0.1:18080") }
        let isAddress = host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." }
        let known = isAddress || host == "localhost" ? [] : Set(Host(name: host).addresses).sorted()
        guard known.count > 1 else { return [text.hasSuffix("/") ? String(text.dropLast()) : text] }
        return known.map { address in
            let port = url.port.map { ":\($0)" } ?? ""
            return "\(url.scheme ?? "http")://\(address.contains(":") ? "[\(address)]" : address)\(port)"
        }
    }
}
