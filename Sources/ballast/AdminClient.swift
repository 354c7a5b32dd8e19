import NIOFoundationEssentialsCompat
import AdminAPI
import ArgumentParser
import AsyncHTTPClient
import Foundation
import KubernetesClient
import Model
import NIOCore
import NIOHTTP1

/// A client of the admin API.
struct AdminClient {
    let address: String
    let token: String?
    /// Whether texts are shown on a terminal: clients and operators choose many of them, and could control it.
    var cleansTexts = false

    /// The address where none is given.
    static var defaultAddress: String {
        ProcessInfo.processInfo.environment["BALLAST_ADMIN"] ?? "http://127.0.0.1:18080"
    }

    /// - Parameter address: an `http` or `https` URL.
    init(_ address: String, token: String?) throws {
        guard let url = URLComponents(string: address), url.scheme == "http" || url.scheme == "https",
            url.host?.isEmpty == false
        else { throw ValidationError("--admin \(address): should be a URL such as http://127.0.0.1:18080") }
        self.address = address.hasSuffix("/") ? String(address.dropLast()) : address
        self.token = token
    }

    /// Gets a page.
    func get<Page: Decodable>(
        _ type: Page.Type, _ route: AdminRoute, name: String = "", resource: (type: String, name: String)? = nil,
        query: [(String, String?)] = []
    ) async throws -> Page {
        try await send(type, .GET, route.path(name: name, resource: resource, query: query), body: nil, match: nil)
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

    /// Posts nothing, and gets a page.
    func post<Page: Decodable>(
        _ type: Page.Type, _ route: AdminRoute, name: String, query: [(String, String?)] = []
    ) async throws -> Page {
        try await send(type, .POST, route.path(name: name, query: query), body: nil, match: nil)
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
            if var problem = try? AdminJSON.decode(ProblemPage.self, from: data) {
                problem.detail = problem.detail.plain
                throw problem
            }
            throw CommandFailure(
                "\(address)\(path) answered \(response.status.code)",
                [401, 403].contains(response.status.code) ? .notAllowed : .failed)
        }
        do {
            guard cleansTexts else { return try AdminJSON.decode(type, from: data) }
            let clean = try AdminJSON.decode(JSONValue.self, from: data).plain
            return try AdminJSON.decode(type, from: AdminJSON.encode(clean))
        } catch {
            throw CommandFailure(
                "\(address)\(path) answered with something else: is it a Ballast's admin API?", .failed)
        }
    }
}

extension JSONValue {
    /// The value with spaces for characters that terminals would obey or hide.
    fileprivate var plain: JSONValue {
        switch self {
        case .object(let fields):
            .object(Dictionary(fields.map { ($0.plain, $1.plain) }, uniquingKeysWith: { first, _ in first }))
        case .array(let values): .array(values.map(\.plain))
        case .string(let text): .string(text.plain)
        case .integer, .number, .bool, .null: self
        }
    }
}
