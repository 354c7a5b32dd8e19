import NIOFoundationEssentialsCompat
import AdminAPI
import ArgumentParser
import AsyncHTTPClient
import Foundation
import KubernetesClient
import NIOCore
import NIOHTTP1
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
            let address = admin ?? ProcessInfo.processInfo.environment["BALLAST_ADMIN"] ?? "http://127.0.0.1:18080"
            guard let url = URLComponents(string: address), url.scheme == "http" || url.scheme == "https",
                url.host?.isEmpty == false
            else { throw ValidationError("--admin \(address): should be a URL such as http://127.0.0.1:18080") }
            return AdminClient(
                address: address.hasSuffix("/") ? String(address.dropLast()) : address,
                token: try tokenFile.map { try TextFile.token($0) })
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

/// A client of the admin API.
struct AdminClient {
    let address: String
    let token: String?

    /// Gets a page.
    func get<Page: Decodable>(
        _ type: Page.Type, _ route: AdminRoute, name: String = "", query: [(String, String?)] = []
    ) async throws -> Page {
        try await send(type, .GET, route.path(name: name, query: query), body: nil, match: nil)
    }

    /// All services of a view.
    func services(view: String? = nil, audience: String? = nil) async throws -> ServicesPage {
        var page = try await get(
            ServicesPage.self, .services, query: [("view", view), ("audience", audience), ("limit", "1000")])
        while let next = page.continue {
            let more = try await get(
                ServicesPage.self, .services,
                query: [("view", view), ("audience", audience), ("limit", "1000"), ("continue", next)])
            page.services += more.services
            page.continue = more.continue
        }
        return page
    }

    /// Posts a text, and gets a page.
    func post<Page: Decodable>(
        _ type: Page.Type, _ route: AdminRoute, text: Data, contentType: String
    ) async throws -> Page {
        try await send(type, .POST, route.path(), body: text, match: nil, contentType: contentType)
    }

    /// Posts a body, and gets a page.
    ///
    /// - Parameter match: the value of `If-Match`, without quotes.
    func post<Page: Decodable>(
        _ type: Page.Type, _ route: AdminRoute, name: String = "", query: [(String, String?)] = [],
        _ body: some Encodable, match: String? = nil
    ) async throws -> Page {
        try await send(
            type, .POST, route.path(name: name, query: query), body: try AdminJSON.encode(body), match: match)
    }

    private func send<Page: Decodable>(
        _ type: Page.Type, _ method: HTTPMethod, _ path: String, body: Data?, match: String?,
        contentType: String = "application/json"
    ) async throws -> Page {
        var request = HTTPClientRequest(url: address + path)
        request.method = method
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let match { request.headers.add(name: "If-Match", value: "\"\(match)\"") }
        if let body {
            request.headers.add(name: "Content-Type", value: contentType)
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response: HTTPClientResponse
        let data: Data
        do {
            response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
            data = Data(buffer: try await response.body.collect(upTo: 64 << 20))
        } catch {
            throw CommandFailure(
                "\(address) \(ConnectionFailure.sentence(error)) (--admin, or BALLAST_ADMIN, is the address of `admin.listen`)",
                .unreachable)
        }
        guard (200..<300).contains(response.status.code) else {
            // /readyz and /healthz answer 503 with their pages.
            if let page = try? AdminJSON.decode(type, from: data) { return page }
            if let problem = try? AdminJSON.decode(ProblemPage.self, from: data) { throw problem }
            throw CommandFailure(
                "\(address)\(path) answered \(response.status.code)",
                [401, 403].contains(response.status.code) ? .notAllowed : .failed)
        }
        do {
            return try AdminJSON.decode(type, from: data)
        } catch {
            throw CommandFailure(
                "\(address)\(path) answered with something else: is it a Ballast's admin API?", .failed)
        }
    }
}

/// A failure of a command, with its exit code (sysexits.h).
struct CommandFailure: Error {
    enum Code: Int32 {
        case failed = 1
        case unreachable = 69
        case outdated = 75
        case notAllowed = 77
    }

    var sentence: String
    var code: Code

    init(_ sentence: String, _ code: Code) {
        self.sentence = sentence
        self.code = code
    }

    init(_ problem: ProblemPage) {
        let code: Code =
            switch problem.status {
            case 412, 429, 503: .outdated
            case 401, 403: .notAllowed
            default: .failed
            }
        self.init(problem.detail, code)
    }
}

/// Runs a command's body; a failure is one line on the standard error, and an exit code.
func reportingFailures(_ body: () async throws -> Void) async throws {
    let failure: CommandFailure
    do {
        return try await body()
    } catch let error as CommandFailure {
        failure = error
    } catch let problem as ProblemPage {
        failure = CommandFailure(problem)
    }
    say("error: \(failure.sentence)")
    throw ExitCode(failure.code.rawValue)
}

/// Writes a line to the standard error.
func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }

/// Prints rows with aligned columns; the first row has the titles.
func printTable(_ rows: [[String]]) {
    let widths = (rows.first ?? []).indices.map { column in
        rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    for row in rows {
        let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
        print(cells.joined(separator: "  ").trimmingSuffix(" "))
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = Substring(self)
        while text.last == character { text.removeLast() }
        return String(text)
    }
}

/// A page as JSON, as the API sends it.
func printJSON(_ page: some Encodable) throws {
    Output.write(String(decoding: try AdminJSON.encode(page), as: UTF8.self).trimmingSuffix("\n"))
}
