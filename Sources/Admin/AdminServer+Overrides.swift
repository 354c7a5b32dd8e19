import NIOFoundationEssentialsCompat
import AdminAPI
import Balancing
import ControlPlane
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import Overrides
import Snapshots

// The paths of overrides and plans.

extension AdminServer {
    /// The largest body of a request, in bytes.
    private static let maxBody = 65_536
    /// The most ended overrides on a page.
    private static let maxEnded = 100

    func overrides() throws -> Response {
        let now = Date()
        let pages = controlPlane.overrides.book.all.reversed().map { OverridePage($0, at: now) }
        let ended = pages.filter { $0.phase == .ended }
        let omitted = ended.count - Self.maxEnded
        return try json(
            OverridesPage(
                store: controlPlane.overrideStore,
                overrides: pages.filter { $0.phase != .ended } + ended.prefix(Self.maxEnded),
                omitted: omitted > 0 ? omitted : nil))
    }

    func override(_ context: BasicRequestContext) throws -> Response {
        let id = context.parameters.get("name") ?? ""
        guard let override = controlPlane.overrides.book[id] else { throw ProblemPage(.unknown(id)) }
        return try page(OverridePage(override, at: Date()))
    }

    func plan(_ request: Request) async throws -> Response {
        let spec = try await body(OverrideSpec.self, of: request)
        let plan = try await Planner(controlPlane).plan(spec, view: view(request, spec))
        return try page(plan, etag: plan.etag)
    }

    func create(_ request: Request) async throws -> Response {
        let spec = try await body(OverrideSpec.self, of: request)
        guard let expected = request.headers[.ifMatch] else {
            throw ProblemPage(
                type: "unconditional", status: 428,
                detail:
                    "send the `etag` of the plan as `If-Match`: POST the same body to \(AdminRoute.plans.rawValue) first"
            )
        }
        let planner = Planner(controlPlane)
        let view = view(request, spec)
        let revision = await controlPlane.overrides.state.revision
        let plan = try await planner.plan(spec, view: view)
        guard expected == "\"\(plan.etag)\"" else { throw ProblemPage(outdatedBy: plan) }
        do {
            let override = try await controlPlane.overrides.create(spec, by: author, ifRevision: revision)
            return try page(OverridePage(override, at: Date()), status: .created)
        } catch OverrideError.outdated {
            throw ProblemPage(outdatedBy: try await planner.plan(spec, view: view))
        }
    }

    func append(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        let transition = try await body(TransitionRequest.self, of: request)
        let override = try await controlPlane.overrides.append(
            transition.type, to: context.parameters.get("name") ?? "", by: author, reason: transition.reason ?? "")
        return try page(OverridePage(override, at: Date()), status: .created)
    }

    /// Who makes a change: there is one credential.
    private var author: String { "admin" }

    /// The cluster whose clients a plan is for.
    private func view(_ request: Request, _ spec: OverrideSpec) -> ClusterName? {
        (request.uri.queryParameters["view"].map(String.init) ?? spec.views?.first).map(ClusterName.init(rawValue:))
    }

    private func body<Body: Decodable>(_ type: Body.Type, of request: Request) async throws -> Body {
        // A page of another site can make a browser send requests, but not with this type and without an `Origin`.
        guard request.headers[.origin] == nil else {
            throw ProblemPage(type: "origin", status: 403, detail: "not for pages of other sites")
        }
        guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
            throw ProblemPage(type: "invalid", status: 415, detail: "send `Content-Type: application/json`")
        }
        let data: Data
        do {
            data = Data(buffer: try await request.body.collect(upTo: Self.maxBody))
        } catch {
            throw ProblemPage(type: "invalid", status: 413, detail: "the body is larger than \(Self.maxBody) bytes")
        }
        do {
            let body = try AdminJSON.decode(type, from: data)
            if type == OverrideSpec.self { try checkFields(data) }
            return body
        } catch let error as DecodingError {
            let problem = FieldProblem(error)
            throw ProblemPage(
                type: "invalid", status: 422, detail: problem.sentence, fields: [problem])
        }
    }

    /// A mistyped field must not pass for one that was left out.
    private func checkFields(_ data: Data) throws {
        let fields = (try? JSONSerialization.jsonObject(with: data) as? [String: Any])?.keys.sorted() ?? []
        let unknown = fields.filter { !OverrideSpec.fields.contains($0) }
        guard !unknown.isEmpty else { return }
        throw ProblemPage(
            .invalid(unknown.map { FieldProblem("/\($0)", "there is no such field") }))
    }

    private func page(
        _ page: some Encodable, status: HTTPResponse.Status = .ok, etag: String? = nil
    ) throws -> Response {
        var response = try json(page, status: status)
        if let etag { response.headers[.eTag] = "\"\(etag)\"" }
        return response
    }

    /// Answers errors as `application/problem+json`.
    func answer(_ body: () async throws -> Response) async throws -> Response {
        do {
            return try await body()
        } catch let error as OverrideError {
            return try ProblemPage(error).response
        } catch let error as ProblemPage {
            return try error.response
        }
    }
}

extension ProblemPage {
    init(_ error: OverrideError) {
        switch error {
        case .invalid(let fields):
            let detail = fields.map(\.sentence)
            self.init(type: "invalid", status: 422, detail: detail.joined(separator: "; "), fields: fields)
        case .unknown(let id): self.init(type: "unknown", status: 404, detail: "there is no override \(id)")
        case .phase(let sentence): self.init(type: "phase", status: 409, detail: sentence)
        case .full(let sentence): self.init(type: "full", status: 409, detail: sentence)
        case .noStore(let sentence): self.init(type: "no-store", status: 409, detail: sentence)
        case .store(let sentence): self.init(type: "store", status: 503, detail: sentence)
        case .outdated: self.init(type: "outdated", status: 412, detail: "something changed since the plan was made")
        }
    }

    init(outdatedBy plan: PlanPage) {
        self.init(.outdated)
        self.plan = plan
    }

    fileprivate var response: Response {
        get throws {
            var page = self
            page.type = "/problems/\(type)"
            var response = try json(page, status: HTTPResponse.Status(code: status))
            response.headers[.contentType] = "application/problem+json"
            return response
        }
    }
}

extension FieldProblem {
    fileprivate var sentence: String { "\(pointer.isEmpty ? "the body" : pointer): \(reason)" }

    /// The field at which decoding failed.
    fileprivate init(_ error: DecodingError) {
        let (path, reason): ([any CodingKey], String) =
            switch error {
            case .keyNotFound(let key, let context): (context.codingPath + [key], "is missing")
            case .typeMismatch(let type, let context): (context.codingPath, "should be \(Self.words(type))")
            case .valueNotFound(let type, let context): (context.codingPath, "should be \(Self.words(type)), not null")
            case .dataCorrupted(let context): (context.codingPath, context.debugDescription)
            @unknown default: ([], "can't be read")
            }
        self.init(path.map { "/\($0.stringValue)" }.joined(), reason)
    }

    private static func words(_ type: any Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Int.Type, is Double.Type: "a number"
        case is Bool.Type: "true or false"
        default: "an object"
        }
    }
}
