import HTTPTypes
import Hummingbird
import Logging
import Model
import YAMLFile

/// Refuses requests that don't address the server by IP address or as `localhost`.
///
/// A page of another site can make a browser resolve that site's name to this server's address (DNS rebinding) and then
/// read the answers. But such requests carry the site's name.
struct HostCheck<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let authority = request.head.authority, Self.isDirect(authority) else {
            throw HTTPError(
                .forbidden,
                message: """
                    ask by an IP address or as localhost: without `admin.tokenFile`, names could be another site's
                    """)
        }
        return try await next(request, context)
    }

    static func isDirect(_ authority: String) -> Bool {
        guard !authority.contains(where: { "@/\\".contains($0) }) else { return false }
        if SocketAddress(authority) != nil || IPAddress(authority) != nil { return true }
        if authority.hasPrefix("["), authority.hasSuffix("]") {
            return IPAddress(String(authority.dropFirst().dropLast())) != nil
        }
        let host = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)[0].lowercased()
        return host == "localhost" || host.hasSuffix(".localhost")
    }
}

/// Adds headers to every answer that forbid content sniffing and caching, and that close the connection.
struct AnswerHeaders<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
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

/// Requires a bearer token for every request, except for health checks.
///
/// The file is read for each request, so that the token can be replaced while the server runs.
struct BearerToken<Context: RequestContext>: RouterMiddleware {
    let file: String
    let logger: Logger

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard !["/healthz", "/readyz"].contains(request.uri.path) else { return try await next(request, context) }
        let token: String
        do {
            token = try TextFile.token(file)
        } catch {
            logger.error("the admin token can't be read; nobody is let in", metadata: ["reason": "\(error)"])
            throw HTTPError(.serviceUnavailable, message: "the server has no token")
        }
        let given = request.headers[.authorization].flatMap { $0.hasPrefix("Bearer ") ? $0.dropFirst(7) : nil }
        guard let given, !token.isEmpty, isEqual(Array(given.utf8), Array(token.utf8)) else {
            throw HTTPError(
                .unauthorized, headers: [.wwwAuthenticate: "Bearer"],
                message: "send the token of admin.tokenFile as `Authorization: Bearer TOKEN`")
        }
        return try await next(request, context)
    }

    /// Compares in constant time.
    private func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
