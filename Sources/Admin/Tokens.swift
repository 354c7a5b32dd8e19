import Analysis
import GRPCTransport
import HTTPTypes
import Hummingbird
import Logging
import YAMLFile

/// Requires a bearer token for every request, except for health checks.
///
/// The files are read for each request, so that tokens can be replaced while the server runs.
struct Tokens: RouterMiddleware {
    typealias Context = AdminContext

    /// A file with one token, of an operator.
    let file: String?
    /// A file with a line for each token: `NAME ROLE sha256:HEX`.
    let table: String?
    let logger: Logger

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        guard !["/healthz", "/readyz"].contains(request.uri.path) else { return try await next(request, context) }
        let callers: [(hash: [UInt8], caller: Caller)]
        do {
            callers = try known()
        } catch {
            logger.error("the admin tokens can't be read; nobody is let in", metadata: ["reason": "\(error)"])
            throw RequestError("store", "the server can't read its tokens", .serviceUnavailable)
        }
        let given = request.headers[.authorization].flatMap { $0.hasPrefix("Bearer ") ? $0.dropFirst(7) : nil }
        let hash = given.map { sha256(Array($0.utf8)) }
        guard let hash, let caller = callers.first(where: { isEqual($0.hash, hash) })?.caller else {
            throw RequestError(
                "signin", "send a token of admin.tokenFile or admin.tokens as `Authorization: Bearer TOKEN`",
                .unauthorized, headers: [.wwwAuthenticate: "Bearer"])
        }
        var context = context
        context.caller = caller
        return try await next(request, context)
    }

    private func known() throws -> [(hash: [UInt8], caller: Caller)] {
        var callers: [(hash: [UInt8], caller: Caller)] = []
        if let file {
            let token = try TextFile.token(file)
            if !token.isEmpty {
                callers.append((sha256(Array(token.utf8)), Caller(name: "admin", role: .operate)))
            }
        }
        guard let table else { return callers }
        for (number, line) in try TextFile.read(table).split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let words = line.split(separator: " ").map(String.init)
            if words.isEmpty || words[0].hasPrefix("#") { continue }
            guard words.count == 3, let role = Caller.Role(rawValue: words[1]), words[0].utf8.count <= 64,
                // The watch of overrides goes by that name.
                words[0] != OverrideWatch.author,
                words[2].hasPrefix("sha256:"), let hash = bytes(words[2].dropFirst(7)), hash.count == 32
            else {
                let roles = Caller.Role.allCases.map(\.rawValue).joined(separator: ", ")
                throw ConfigurationError(
                    file: table, line: number + 1,
                    message: "should be NAME (but not ballast) ROLE sha256:HEX, with a role of: \(roles)")
            }
            callers.append((hash, Caller(name: words[0], role: role)))
        }
        return callers
    }

    private func bytes(_ text: Substring) -> [UInt8]? {
        guard text.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        var rest = text
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    /// Compares in constant time.
    private func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
