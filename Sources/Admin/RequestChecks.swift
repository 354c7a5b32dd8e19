import HTTPTypes
import Hummingbird
import Model

/// What pages of other sites could make a browser do is refused.
///
/// A page of another site can make a browser resolve that site's name to this server's address (DNS rebinding) and then
/// read the answers: such requests carry the site's name as `Host`. It can also make a browser send requests: such
/// requests carry another `Origin`, or `Sec-Fetch-Site`.
struct BrowserRules: RouterMiddleware {
    typealias Context = AdminContext

    /// The host names by which this server is known, in lower case.
    let hosts: [String]
    /// Whether any other host name may be used: a token protects better than a name.
    let allowsEveryHost: Bool

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        let authority = request.head.authority
        guard allowsEveryHost || authority.map(isKnown) == true else {
            throw RequestError(
                "host",
                "ask by an IP address, as localhost, or by a name in `admin.hosts`: other names could be another site's",
                .misdirectedRequest)
        }
        guard ![.get, .head].contains(request.method) else { return try await next(request, context) }
        if let origin = request.headers[.origin] {
            let isOwn = authority.map { ["http://\($0)", "https://\($0)"].contains(origin) } ?? false
            guard isOwn else { throw RequestError("origin", "not for pages of other sites", .forbidden) }
        }
        if let name = HTTPField.Name("Sec-Fetch-Site"), let site = request.headers[name],
            !["same-origin", "none"].contains(site)
        {
            throw RequestError("origin", "not for pages of other sites", .forbidden)
        }
        return try await next(request, context)
    }

    func isKnown(_ authority: String) -> Bool {
        guard !authority.contains(where: { "@/\\".contains($0) }) else { return false }
        if SocketAddress(authority) != nil || IPAddress(authority) != nil { return true }
        if authority.hasPrefix("["), authority.hasSuffix("]") {
            return IPAddress(String(authority.dropFirst().dropLast())) != nil
        }
        let host = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)[0].lowercased()
        return host == "localhost" || host.hasSuffix(".localhost") || hosts.contains(host)
    }
}

/// Adds headers to every answer that forbid content sniffing and caching, and that close the connection.
struct AnswerHeaders: RouterMiddleware {
    typealias Context = AdminContext

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as HTTPError {
            response = try RequestError(error).response(from: request, context: context)
        } catch let error as any HTTPResponseError {
            response = try error.response(from: request, context: context)
        }
        if let name = HTTPField.Name("X-Content-Type-Options") { response.headers[name] = "nosniff" }
        response.headers[.cacheControl] = "no-store"
        response.headers[.connection] = "close"
        if request.method == .head {
            response.body = ResponseBody(contentLength: response.body.contentLength) { try await $0.finish(nil) }
        }
        return response
    }
}
