import Foundation

/// Why a request to the API server failed.
public enum APIFailure: Error, Hashable, CustomStringConvertible {
    /// HTTP status 401.
    case unauthorized(String)
    /// HTTP status 403.
    case forbidden(String)
    /// Status 410, or an ERROR event with that code: the version is too old, or the list's continuation has expired.
    case expired(String)
    /// Status 504 for a version that the server has not reached, because its storage was restored to an older state.
    case versionTooLarge(String)
    /// Status 409: another manager owns a field, or the object has another UID now.
    case conflict(String)
    /// HTTP status 404.
    case notFound(String)
    /// Any other status, with the time that the server wants clients to wait.
    case status(Int, String, retryAfter: Duration?)
    /// No connection, or no response on it.
    case unreachable(String)
    /// A response ended early.
    case broken(String)
    /// A watch received nothing for too long: the connection may be dead, or the watch's version ahead of the server's.
    case silent
    /// The response was not what was requested.
    case garbage(String)
    /// The response exceeded a limit.
    case tooMuch(String)

    /// Reads an error response.
    ///
    /// - Parameter verbs: the RBAC verbs that the request needs.
    init(status: Int, body: Data, retryAfter: String?, resource: Resource, verbs: [String], server: String) {
        let found = try? JSONDecoder().decode(StatusObject.self, from: body)
        if found == nil, body.first == UInt8(ascii: "<") {
            self = .status(
                status,
                "\(server) answers with a web page (\(status)): it is no Kubernetes API server, or a proxy is before it",
                retryAfter: nil)
            return
        }
        let text = String(decoding: body.prefix(200), as: UTF8.self).split(whereSeparator: \.isNewline).first
        self.init(
            status: found ?? StatusObject(code: status, message: text.map { String($0) }), status, retryAfter, resource,
            verbs, server)
    }

    /// Reads an ERROR event of a watch.
    init(event: StatusObject, resource: Resource) {
        self.init(status: event, event.code ?? 500, nil, resource, ["list", "watch"], "the API server")
    }

    private init(
        status object: StatusObject, _ code: Int, _ retryAfter: String?, _ resource: Resource,
        _ verbs: [String], _ server: String
    ) {
        let message = object.message ?? object.reason ?? "no reason given"
        switch code {
        case 401: self = .unauthorized("\(server) refuses the credentials (401: \(message)); they are read again")
        case 403: self = .forbidden("\(server): \(message) (403): \(resource.missingRule(verbs))")
        case 400 where message.contains("HTTPS server"):
            self = .status(400, "\(server) speaks TLS: write https:// in the kubeconfig's `server`", retryAfter: nil)
        case 404 where !verbs.contains("list"): self = .notFound("\(server): \(message) (404)")
        case 409: self = .conflict("\(server): \(message) (409)")
        case 410: self = .expired(message)
        case 504 where object.isAboutLargeVersion: self = .versionTooLarge(message)
        default:
            let seconds = (retryAfter.flatMap(Int.init) ?? object.details?.retryAfterSeconds).map { min($0, 300) }
            let pause = seconds.map { "; it is asked again after the \($0) s that it wants" } ?? ""
            let text = code == 429 ? "too many requests at the moment (429)" : "\(message) (\(code))"
            self = .status(code, "\(server) answers: \(text)\(pause)", retryAfter: seconds.map { .seconds($0) })
        }
    }

    /// Whether later requests need a new connection.
    ///
    /// They do if this one is broken, or if credentials must be read again, since client certificates belong to a
    /// connection.
    var endsConnection: Bool {
        switch self {
        case .unreachable, .broken, .silent, .unauthorized: true
        case .tooMuch: true
        case .forbidden, .expired, .versionTooLarge, .status, .garbage, .conflict, .notFound: false
        }
    }

    /// The failure as one sentence.
    public var description: String {
        switch self {
        case .silent: "the watch fell silent"
        case .unauthorized(let text), .forbidden(let text), .expired(let text), .versionTooLarge(let text),
            .conflict(let text), .notFound(let text),
            .status(_, let text, _), .unreachable(let text), .broken(let text), .garbage(let text), .tooMuch(let text):
            text
        }
    }
}

/// The Kubernetes `Status` object.
struct StatusObject: Hashable, Sendable, Decodable {
    struct Details: Hashable, Sendable, Decodable {
        struct Cause: Hashable, Sendable, Decodable {
            var reason: String?
        }

        var retryAfterSeconds: Int?
        var causes: [Cause]?
    }

    var code: Int?
    var reason: String?
    var message: String?
    var details: Details?

    var isAboutLargeVersion: Bool {
        details?.causes?.contains { $0.reason == "ResourceVersionTooLarge" } == true
            || message?.contains("Too large resource version") == true
    }
}
