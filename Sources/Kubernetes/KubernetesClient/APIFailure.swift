import Foundation

/// Why the API server's answer can't be used.
public enum APIFailure: Error, Hashable, CustomStringConvertible {
    /// 401.
    case unauthorized(String)
    /// 403.
    case forbidden(String)
    /// 410, or an ERROR event of that code: the version is too old, or a list's pages have expired.
    case expired(String)
    /// 504 about a version that the server hasn't reached: its storage went back in time.
    case versionTooLarge(String)
    /// 409: another writer owns a field, or the object is another one by now.
    case conflict(String)
    /// 404.
    case notFound(String)
    /// Any other status, and how long the server wants to be left alone.
    case status(Int, String, retryAfter: Duration?)
    /// There is no connection, or no answer over it.
    case unreachable(String)
    /// An answer broke off.
    case broken(String)
    /// A watch brought nothing for so long that it may be dead, or from a future that the server has not reached.
    case silent
    /// It sent something that is not what was asked for.
    case garbage(String)
    /// It sent more than is taken.
    case tooMuch(String)

    /// Reads an answer that isn't a success.
    ///
    /// - Parameter verbs: what the request needed rights for.
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

    /// Reads an ERROR event.
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

    /// Whether requests to come need another connection: this one is not what it seems, or others' credentials are asked
    /// for, and client certificates belong to a connection.
    var endsConnection: Bool {
        switch self {
        case .unreachable, .broken, .silent, .unauthorized: true
        case .tooMuch: true
        case .forbidden, .expired, .versionTooLarge, .status, .garbage, .conflict, .notFound: false
        }
    }

    /// In one sentence.
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

/// A `Status`.
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
