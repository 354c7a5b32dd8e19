/// The kinds of errors, as `type` of a `ProblemPage` has them after `/problems/`.
public enum ProblemType: String, CaseIterable, Sendable {
    case outdated, unconditional, rule, empty, full, phase, store, invalid, unknown, role, signin, host, origin, busy
    case noStore = "no-store"
    case noData = "no-data"

    /// What it means, and what to do.
    public var meaning: String {
        switch self {
        case .outdated:
            "412: something changed since the plan was made. The answer has the new plan: read it, and send its etag."
        case .unconditional:
            "428: an override is created with the etag of its plan as `If-Match`. POST the same body to /v1/plans first."
        case .rule:
            "409: the override breaks a safety rule of the configuration. Change it, or name the rule in `breakRule`, which takes the role breaker."
        case .empty: "409: the override would leave a service without a healthy pod that takes traffic."
        case .full: "409: there are as many overrides as can be. End one first."
        case .phase: "409: the transition doesn't fit the override's phase, such as Resume where nothing is paused."
        case .noStore: "409: overrides are off. Set `state`, or `overrides: {store: memory}`, in the configuration."
        case .store: "503: something on the server's disk can't be read or written. Its log says what."
        case .noData: "409: abort conditions need load reports, and no client sends any."
        case .invalid:
            "400, 405, 413, 415 or 422: a part of the request can't be used; `fields` names each field by a JSON pointer."
        case .unknown: "404: there is nothing of that name."
        case .role: "403: the token's role doesn't allow this."
        case .signin: "401: send a token as `Authorization: Bearer TOKEN`."
        case .host:
            "421: the host name is not one of this server's. Ask by IP address, or add the name to `admin.hosts`."
        case .origin: "403: the request comes from a page of another site."
        case .busy: "429: too many changes, plans at once or event streams. Wait as long as `Retry-After` says."
        }
    }
}
