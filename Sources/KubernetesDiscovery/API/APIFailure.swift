import Foundation

/// Why the API server's answer can't be used.
enum APIFailure: Error, Hashable, CustomStringConvertible {
    /// 401.
    case unauthorized(String)
    /// 403.
    case forbidden(String)
    /// 410, or an ERROR event of that code: the version is too old, or a list's pages have expired.
    case expired(String)
    /// 504 about a version that the server hasn't reached: its storage went back in time.
    case versionTooLarge(String)
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

    /// Reads an answer that isn't 200.
    init(status: Int, body: Data, retryAfter: String?, resource: Resource) {
        let found = try? JSONDecoder().decode(StatusObject.self, from: body)
        self.init(status: found ?? StatusObject(code: status), status, retryAfter, resource)
    }

    /// Reads an ERROR event.
    init(event: StatusObject, resource: Resource) { self.init(status: event, event.code ?? 500, nil, resource) }

    private init(status object: StatusObject, _ code: Int, _ retryAfter: String?, _ resource: Resource) {
        let message = object.message ?? object.reason ?? "no reason given"
        switch code {
        case 401: self = .unauthorized("the API server refuses the credentials (401: \(message)); they are read again")
        case 403: self = .forbidden("\(message) (403): \(resource.missingRule)")
        case 410: self = .expired(message)
        case 504 where object.isAboutLargeVersion: self = .versionTooLarge(message)
        default:
            let seconds = retryAfter.flatMap(Int.init) ?? object.details?.retryAfterSeconds
            self = .status(
                code, "the API server answers \(code): \(message)", retryAfter: seconds.map { .seconds(min($0, 300)) })
        }
    }

    /// Whether requests to come need another connection: this one is not what it seems, or others' credentials are asked
    /// for, and client certificates belong to a connection.
    var endsConnection: Bool {
        switch self {
        case .unreachable, .broken, .silent, .unauthorized: true
        case .tooMuch: true
        case .forbidden, .expired, .versionTooLarge, .status, .garbage: false
        }
    }

    var description: String {
        switch self {
        case .silent: "the watch fell silent"
        case .unauthorized(let text), .forbidden(let text), .expired(let text), .versionTooLarge(let text),
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
