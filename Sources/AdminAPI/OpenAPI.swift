public import Foundation
import Overrides

/// The description of the admin API in OpenAPI 3.1, made from the routes and the pages' types.
public struct OpenAPI {
    private let version: String

    /// Creates a description.
    ///
    /// - Parameter version: the program's version.
    public init(version: String) { self.version = version }

    /// The document as JSON, with sorted keys.
    public func document() throws -> Data {
        let builder = SchemaBuilder()
        var paths: [String: Any] = [:]
        for route in AdminRoute.allCases {
            var item: [String: Any] = [:]
            for operation in route.operations { item[operation.method] = operation.description(builder, route) }
            paths[route.rawValue] = item
        }
        _ = builder.schema(ProblemPage.self)
        let document: [String: Any] = [
            "openapi": "3.1.0",
            "info": [
                "title": "Ballast's admin API", "version": version,
                "description": "Weights, overrides and the state of an xDS control plane: docs/reference/admin-api.md.",
            ],
            "paths": paths,
            "components": [
                "schemas": builder.schemas, "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
            ],
            "security": [["token": [String]()], [:]],
        ]
        let data = try JSONSerialization.data(
            withJSONObject: document, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return data + Data("\n".utf8)
    }
}

/// One method of a path.
struct Operation {
    /// A parameter of the query, or a header.
    struct Parameter {
        var name: String
        var schema: [String: Any]
        var isHeader = false
        var isRequired = false
        var isRepeated = false
    }

    /// In lower case.
    var method: String
    var summary: String
    /// The role that it takes.
    var role = "viewer"
    var parameters: [Parameter] = []
    var body: (type: String, schema: (any Decodable.Type)?)?
    /// The page that it answers; nil for text.
    var page: (any Decodable.Type)?
    var contentType = "application/json"
    var status = "200"
    /// Statuses of errors.
    var errors: [String] = []

    func description(_ builder: SchemaBuilder, _ route: AdminRoute) -> [String: Any] {
        var all: [[String: Any]] = parameters.map { parameter in
            let schema = parameter.isRepeated ? ["type": "array", "items": parameter.schema] : parameter.schema
            return [
                "name": parameter.name, "in": parameter.isHeader ? "header" : "query",
                "required": parameter.isRequired, "schema": schema,
            ]
        }
        for name in ["name", "type", "resource"] where route.rawValue.contains("{\(name)}") {
            all.append(["name": name, "in": "path", "required": true, "schema": ["type": "string", "minLength": 1]])
        }
        let answer = page.map(builder.schema) ?? ["type": "string"]
        var responses: [String: Any] = [
            status: ["description": "Done.", "content": [contentType: ["schema": answer]]]
        ]
        let problem = ["schema": builder.schema(ProblemPage.self)]
        for error in Set(errors + ["401", "403", "421", "503"]) {
            // /readyz answers 503 with its page.
            if error == "503", route == .readiness || route == .health {
                responses[error] = ["description": "Not yet.", "content": [contentType: ["schema": answer]]]
            } else {
                responses[error] = ["description": "See `type`.", "content": ["application/problem+json": problem]]
            }
        }
        var description: [String: Any] = [
            "summary": summary, "operationId": "\(method)\(route.id)", "parameters": all, "responses": responses,
            "x-role": role,
        ]
        if let body {
            let schema = body.schema.map(builder.schema) ?? ["type": "string"]
            description["requestBody"] = ["required": true, "content": [body.type: ["schema": schema]]]
        }
        return description
    }
}

extension AdminRoute {
    /// The methods of the path, in capitals.
    public var methods: [String] { operations.map { $0.method.uppercased() } }

    /// The case's name with a capital.
    fileprivate var id: String { "\(self)".prefix(1).uppercased() + "\(self)".dropFirst() }

    /// The methods of the path.
    var operations: [Operation] {
        let text: [String: Any] = ["type": "string"]
        let time: [String: Any] = ["type": "string", "format": "date-time"]
        let limit = Operation.Parameter(name: "limit", schema: ["type": "integer", "minimum": 1, "maximum": 1_000])
        let next = Operation.Parameter(name: "continue", schema: text)
        let view = Operation.Parameter(name: "view", schema: text)
        let audience = Operation.Parameter(
            name: "audience", schema: ["type": "string", "enum": ["plain", "grpc", "lanes", "older-lanes", "gateway"]])
        let states = ["SYNCED", "PENDING", "STALE", "BEHIND", "NACKED"]
        let assume = Operation.Parameter(name: "assume", schema: text, isRepeated: true)
        let key = Operation.Parameter(
            name: "Idempotency-Key", schema: ["type": "string", "minLength": 1, "maxLength": 128], isHeader: true)
        let changes = ["400", "404", "409", "413", "415", "422", "429"]
        switch self {
        case .health: return [Operation(method: "get", summary: "Whether the process works.", page: HealthPage.self)]
        case .readiness:
            return [Operation(method: "get", summary: "Whether clients are served.", page: ReadinessPage.self)]
        case .overview: return [Operation(method: "get", summary: "The first look.", page: OverviewPage.self)]
        case .services:
            return [
                Operation(
                    method: "get", summary: "The services with their shares.",
                    parameters: [view, audience, Operation.Parameter(name: "name", schema: text), limit, next],
                    page: ServicesPage.self, errors: ["400", "404"])
            ]
        case .service:
            return [
                Operation(
                    method: "get", summary: "One service, with the origin of each pod.", parameters: [view, audience],
                    page: ServiceDetailPage.self, errors: ["400", "404"])
            ]
        case .explain:
            return [
                Operation(
                    method: "get", summary: "How shares come about, layer by layer, now or earlier.",
                    parameters: [
                        view, audience, Operation.Parameter(name: "cluster", schema: text),
                        Operation.Parameter(name: "pod", schema: text), Operation.Parameter(name: "at", schema: time),
                    ], page: ExplainPage.self, errors: ["400", "404"])
            ]
        case .series:
            return [
                Operation(
                    method: "get", summary: "What clients reported in the last hour.",
                    parameters: [
                        Operation.Parameter(name: "from", schema: time),
                        Operation.Parameter(name: "step", schema: ["type": "number", "minimum": 10, "maximum": 3_600]),
                    ], page: SeriesPage.self, errors: ["400", "404"])
            ]
        case .trim:
            return [
                Operation(
                    method: "get", summary: "Multipliers that would even out the utilisation of pods.",
                    page: TrimPage.self, errors: ["404"])
            ]
        case .release:
            return [
                Operation(
                    method: "post", summary: "Releases held pods.", role: "operator",
                    parameters: [Operation.Parameter(name: "cluster", schema: text)], page: ReleasePage.self,
                    errors: ["404"])
            ]
        case .clients:
            return [
                Operation(
                    method: "get", summary: "The clients, and what they have.",
                    parameters: [
                        Operation.Parameter(name: "node", schema: text),
                        Operation.Parameter(name: "state", schema: ["type": "string", "enum": states]),
                        Operation.Parameter(name: "service", schema: text),
                    ], page: ClientsPage.self, errors: ["400"])
            ]
        case .client:
            return [
                Operation(
                    method: "get", summary: "The clients of one node, with more of their resources.",
                    page: ClientsPage.self, errors: ["404"])
            ]
        case .resource:
            return [
                Operation(
                    method: "get", summary: "What a client should have of one resource, as JSON.",
                    page: ResourcePage.self, errors: ["400", "404"])
            ]
        case .plans:
            return [
                Operation(
                    method: "post", summary: "What an override would change; stores nothing.",
                    parameters: [
                        view, assume,
                        Operation.Parameter(name: "rps", schema: ["type": "number", "minimum": 0, "maximum": 1e9]),
                    ], body: ("application/json", OverrideSpec.self), page: PlanPage.self, errors: changes)
            ]
        case .configurationPlans:
            return [
                Operation(
                    method: "post", summary: "What another configuration would serve; stores nothing.",
                    body: ("application/yaml", nil), page: ConfigurationPlanPage.self,
                    errors: ["413", "415", "422", "429"])
            ]
        case .overrides:
            return [
                Operation(
                    method: "get", summary: "The overrides.",
                    parameters: [Operation.Parameter(name: "service", schema: text)], page: OverridesPage.self),
                Operation(
                    method: "post", summary: "Creates an override.", role: "operator",
                    parameters: [
                        Operation.Parameter(name: "If-Match", schema: text, isHeader: true, isRequired: true), key,
                        Operation.Parameter(name: "breakRule", schema: text, isRepeated: true),
                    ], body: ("application/json", OverrideSpec.self), page: OverridePage.self, status: "201",
                    errors: changes + ["412", "428"]),
            ]
        case .override:
            return [Operation(method: "get", summary: "One override.", page: OverridePage.self, errors: ["404"])]
        case .transitions:
            return [
                Operation(
                    method: "post", summary: "Pauses, resumes or ends an override.", role: "operator",
                    parameters: [key], body: ("application/json", TransitionRequest.self), page: OverridePage.self,
                    status: "201", errors: changes)
            ]
        case .history:
            return [
                Operation(
                    method: "get", summary: "What happened, newest first.",
                    parameters: [
                        Operation.Parameter(name: "service", schema: text),
                        Operation.Parameter(name: "since", schema: time), limit, next,
                    ], page: HistoryPage.self, errors: ["400"])
            ]
        case .publication:
            return [
                Operation(
                    method: "get", summary: "What is published to gateways that only istiod configures.",
                    page: PublicationPage.self)
            ]
        case .checks: return [Operation(method: "get", summary: "What Ballast finds in itself.", page: ChecksPage.self)]
        case .events:
            return [
                Operation(
                    method: "get", summary: "Events as they happen.",
                    parameters: [Operation.Parameter(name: "Last-Event-ID", schema: text, isHeader: true)],
                    contentType: "text/event-stream", errors: ["429"])
            ]
        case .whoami: return [Operation(method: "get", summary: "What the caller may do.", page: WhoAmIPage.self)]
        case .openAPI: return [Operation(method: "get", summary: "This description.", contentType: "application/json")]
        case .problem:
            return [
                Operation(
                    method: "get", summary: "What the type of an error means.",
                    contentType: "text/plain; charset=utf-8", errors: ["404"])
            ]
        case .metrics:
            return [
                Operation(
                    method: "get", summary: "Metrics in Prometheus' text format.",
                    contentType: "text/plain; version=0.0.4; charset=utf-8")
            ]
        }
    }
}

extension Override.Phase: ChoiceType {}
extension Override.Transition.Kind: ChoiceType {}
extension AbortConditions.MissingData: ChoiceType {}
extension CheckCode: ChoiceType {}
extension CheckState: ChoiceType {}
extension OverridePage.Condition.Kind: ChoiceType {}
