public import Overrides

/// An error of a request (RFC 9457), sent as `application/problem+json`.
public struct ProblemPage: Codable, Hashable, Sendable, Error {
    /// The kind of error, such as `/problems/outdated`.
    public var type: String
    /// The HTTP status.
    public var status: Int
    /// The error in a sentence.
    public var detail: String
    /// The fields that can't be used; nil for other errors.
    public var fields: [FieldProblem]?
    /// The plan of the same spec now, if it differs from the one that the request was based on.
    public var plan: PlanPage?

    /// Creates an error.
    public init(
        type: String, status: Int, detail: String, fields: [FieldProblem]? = nil, plan: PlanPage? = nil
    ) {
        self.type = type
        self.status = status
        self.detail = detail
        self.fields = fields
        self.plan = plan
    }
}

extension ProblemPage {
    /// The answer to an error of an override.
    public init(_ error: OverrideError) {
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
}

extension FieldProblem {
    /// The problem in a sentence.
    public var sentence: String { "\(pointer.isEmpty ? "the body" : pointer): \(reason)" }
}
