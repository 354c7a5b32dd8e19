import Serving
import Logging
import Planning
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
    static let maxBody = 65_536
    /// The most losses that a plan can assume.
    private static let maxAssumed = 20
    /// The most times that an override is judged while others are created.
    private static let maxAttempts = 10
    /// The most ended overrides on a page.
    private static let maxEnded = 100

    func overrides(_ request: Request) async throws -> Response {
        let now = Date()
        let service = request.uri.queryParameters["service"].map(String.init)
        let conditions = await overrideConditions(at: now)
        let pages = controlPlane.overrides.book.all.reversed().map(conditions.page).filter {
            service == nil || $0.override.spec.service == service || $0.override.spec.service == "*"
        }
        let ended = pages.filter { $0.phase == .ended }
        let omitted = ended.count - Self.maxEnded
        return try json(
            OverridesPage(
                store: controlPlane.overrideStore,
                overrides: pages.filter { $0.phase != .ended } + ended.prefix(Self.maxEnded),
                omitted: omitted > 0 ? omitted : nil))
    }

    func override(_ context: AdminContext) async throws -> Response {
        let id = context.parameters.get("name") ?? ""
        guard let override = controlPlane.overrides.book[id] else { throw RequestError(ProblemPage(.unknown(id))) }
        return try page(await overrideConditions(at: Date()).page(override))
    }

    /// What keeps overrides from their full effect now.
    func overrideConditions(at now: Date) async -> OverrideConditions {
        let reported = ObservedLoad.total(await controlPlane.status.observed).keys
        return OverrideConditions(
            controlPlane.overrides.book, await controlPlane.snapshotBuilder(), reported: Set(reported),
            history: controlPlane.history, at: now)
    }

    func plan(_ request: Request) async throws -> Response {
        let spec = try await body(OverrideSpec.self, of: request)
        let plan = try await plan(spec, request)
        return try page(plan, etag: plan.etag)
    }

    private func plan(_ spec: OverrideSpec, _ request: Request) async throws -> PlanPage {
        let parameters = request.uri.queryParameters
        var premises = await controlPlane.premises(of: ServiceName(rawValue: spec.service))
        let assumed = parameters.getAll("assume")
        guard assumed.count <= Self.maxAssumed else {
            throw RequestError("invalid", "`assume` may be given \(Self.maxAssumed) times at most", .badRequest)
        }
        for text in assumed {
            guard let loss = Loss(String(text)) else {
                throw RequestError(
                    "invalid",
                    "`assume` should be CLUSTER, CLUSTER/POD, zone:CLUSTER/ZONE or gateway:CLUSTER/ADDRESS", .badRequest
                )
            }
            premises.losses.append(loss)
        }
        if let rps = try Self.number(request, "rps") {
            guard rps <= 1e9 else {
                throw RequestError("invalid", "`rps` should be at most a billion requests per second", .badRequest)
            }
            premises.rps = rps
        }
        let view = parameters["view"].map { ClusterName(rawValue: String($0)) }
        return try await plans.run { [premises] in
            do throws(ProblemPage) {
                return try Planner(premises).plan(spec, view: view)
            } catch {
                throw RequestError(error)
            }
        }
    }

    /// What decides whether a spec may be applied.
    private func verdict(_ spec: OverrideSpec) async throws -> (etag: String, rules: [PlanPage.Rule]) {
        let premises = await controlPlane.premises(of: ServiceName(rawValue: spec.service), withClients: false)
        return try await plans.run { () throws in
            do throws(ProblemPage) {
                return try Planner(premises).verdict(spec)
            } catch {
                throw RequestError(error)
            }
        }
    }

    func create(_ request: Request, _ context: AdminContext) async throws -> Response {
        try require(.operate, context)
        let spec = try await body(OverrideSpec.self, of: request)
        guard let expected = request.headers[.ifMatch] else {
            throw RequestError(
                "unconditional",
                "send the `etag` of the plan as `If-Match`: POST the same body to \(AdminRoute.plans.rawValue) first",
                .preconditionRequired)
        }
        let key = try key(request)
        let author = context.caller.name
        do {
            if let known = try await controlPlane.overrides.created(with: key, by: author, spec) {
                return try page(await overrideConditions(at: Date()).page(known), status: .created)
            }
            // An override of another service changes the revision, but not this plan: then it is judged again.
            for attempt in 1... {
                let revision = await controlPlane.overrides.state.revision
                let verdict = try await verdict(spec)
                guard expected == "\"\(verdict.etag)\"" else { throw OverrideError.outdated }
                try check(verdict.rules, request, context)
                if attempt == 1 { try writes.admit(author) }
                do {
                    let override = try await controlPlane.overrides.create(
                        spec, by: author, ifRevision: revision, key: key)
                    return try page(await overrideConditions(at: Date()).page(override), status: .created)
                } catch OverrideError.outdated where attempt < Self.maxAttempts {
                    continue
                }
            }
            throw OverrideError.outdated
        } catch OverrideError.outdated {
            throw RequestError(ProblemPage(outdatedBy: try await plan(spec, request)))
        } catch let error as OverrideError {
            throw RequestError(ProblemPage(error))
        }
    }

    /// Refuses an override that breaks a rule, unless the caller says that it should, and may.
    private func check(_ rules: [PlanPage.Rule], _ request: Request, _ context: AdminContext) throws {
        let broken = rules.filter { !$0.kept }
        guard !broken.isEmpty else { return }
        let named = Set(request.uri.queryParameters.getAll("breakRule").map { String($0) })
        guard broken.allSatisfy({ named.contains($0.name) }) else {
            let list = broken.map { "\($0.name): \($0.says ?? "broken")" }.joined(separator: "; ")
            throw RequestError("rule", "\(list); `breakRule` breaks a rule", .conflict)
        }
        try require(.breaker, context)
        logger.notice(
            "safety rules broken",
            metadata: [
                "audit": "override", "by": "\(context.caller.name)",
                "rules": "\(broken.map(\.name).joined(separator: ", "))",
            ])
    }

    func append(_ request: Request, _ context: AdminContext) async throws -> Response {
        try require(.operate, context)
        let transition = try await body(TransitionRequest.self, of: request)
        // A way back must never be refused.
        if transition.type != .revert { try writes.admit(context.caller.name) }
        let key = try key(request)
        do {
            let override = try await controlPlane.overrides.append(
                transition.type, to: context.parameters.get("name") ?? "", by: context.caller.name,
                reason: transition.reason ?? "", key: key)
            return try page(await overrideConditions(at: Date()).page(override), status: .created)
        } catch let error as OverrideError {
            throw RequestError(ProblemPage(error))
        }
    }

    /// The key by which the request can be repeated.
    private func key(_ request: Request) throws -> String? {
        guard let name = HTTPField.Name("Idempotency-Key"), let key = request.headers[name] else { return nil }
        guard (1...128).contains(key.count) else {
            throw RequestError("invalid", "`Idempotency-Key` should have 1 to 128 characters", .badRequest)
        }
        return key
    }

    /// The body's bytes.
    func bytes(of request: Request, type: String, most: Int = AdminServer.maxBody) async throws -> Data {
        let given = request.headers[.contentType]?.prefix { $0 != ";" && $0 != " " }.lowercased()
        guard given == type else {
            throw RequestError("invalid", "send `Content-Type: \(type)`", .unsupportedMediaType)
        }
        let length = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard length <= most else {
            throw RequestError("invalid", "the body is larger than \(most) bytes", .contentTooLarge)
        }
        do {
            return Data(buffer: try await request.body.collect(upTo: most))
        } catch {
            throw RequestError("invalid", "the body is larger than \(most) bytes", .contentTooLarge)
        }
    }

    private func body<Body: Codable>(_ type: Body.Type, of request: Request) async throws -> Body {
        let data = try await bytes(of: request, type: "application/json")
        do {
            let body = try AdminJSON.decode(type, from: data)
            try checkFields(data, of: body)
            return body
        } catch let error as DecodingError {
            let problem = FieldProblem(error)
            throw RequestError(
                ProblemPage(type: "invalid", status: 422, detail: problem.sentence, fields: [problem]))
        }
    }

    /// A mistyped field must not pass for one that was left out: every field of the body has to be one of the value's.
    private func checkFields(_ data: Data, of body: some Encodable) throws {
        let given = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
        let known = try JSONSerialization.jsonObject(with: try AdminJSON.encode(body))
        let unknown = Self.unknownFields(given, known, at: "")
        guard !unknown.isEmpty else { return }
        throw RequestError(
            ProblemPage(.invalid(unknown.map { FieldProblem($0, "there is no such field") })))
    }

    private static func unknownFields(_ given: Any, _ known: Any, at pointer: String) -> [String] {
        guard let given = given as? [String: Any], let known = known as? [String: Any] else { return [] }
        return given.keys.sorted().flatMap { key -> [String] in
            let field = "\(pointer)/\(OverrideSpec.escaped(key))"
            guard let value = given[key], !(value is NSNull) else { return [] }
            return known[key].map { unknownFields(value, $0, at: field) } ?? [field]
        }
    }

    private func page(
        _ page: some Encodable, status: HTTPResponse.Status = .ok, etag: String? = nil
    ) throws -> Response {
        var response = try json(page, status: status)
        if let etag { response.headers[.eTag] = "\"\(etag)\"" }
        return response
    }
}

extension ProblemPage {
    init(outdatedBy plan: PlanPage) {
        self.init(.outdated)
        self.plan = plan
    }
}

extension FieldProblem {
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
