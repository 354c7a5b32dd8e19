import AdminAPI
import HTTPTypes
import Hummingbird

/// An error in a request, answered as `{"error": "…"}`.
struct RequestError: Error, HTTPResponseError {
    var error: String
    var status: HTTPResponse.Status
    var headers = HTTPFields()

    func response(from request: Request, context: some RequestContext) throws -> Response {
        var response = try json(ErrorPage(error: error), status: status)
        response.headers.append(contentsOf: headers)
        return response
    }
}

extension RequestError {
    /// Converts Hummingbird's error.
    init(_ error: HTTPError) {
        let isUnknownPath = error.status == .notFound && error.body == nil
        self.init(
            error: isUnknownPath
                ? "there is no such path: docs/reference/admin-api.md lists them"
                : error.body ?? error.status.reasonPhrase,
            status: error.status, headers: error.headers)
    }
}
