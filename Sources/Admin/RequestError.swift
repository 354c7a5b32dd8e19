import AdminAPI
import HTTPTypes
import Hummingbird
import Overrides

/// An error in a request, answered as `application/problem+json`.
struct RequestError: Error, HTTPResponseError {
    var page: ProblemPage
    var headers = HTTPFields()

    var status: HTTPResponse.Status { HTTPResponse.Status(code: page.status) }

    /// Creates an error of a type that `ProblemType` explains.
    init(_ type: String, _ detail: String, _ status: HTTPResponse.Status, headers: HTTPFields = HTTPFields()) {
        page = ProblemPage(type: type, status: status.code, detail: detail)
        self.headers = headers
    }

    init(_ page: ProblemPage) { self.page = page }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        var page = page
        page.type = "/problems/\(page.type)"
        var response = try json(page, status: status)
        response.headers.append(contentsOf: headers)
        response.headers[.contentType] = "application/problem+json"
        return response
    }
}

extension RequestError {
    /// Converts Hummingbird's error.
    init(_ error: HTTPError) {
        let isUnknownPath = error.status == .notFound && error.body == nil
        self.init(
            error.status == .notFound ? "unknown" : "invalid",
            isUnknownPath
                ? "there is no such path: docs/reference/admin-api.md lists them"
                : error.body ?? error.status.reasonPhrase,
            error.status, headers: error.headers)
    }
}
