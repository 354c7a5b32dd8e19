public import Foundation

/// A path of the admin API, for its server and its clients.
public enum AdminRoute: String, CaseIterable, Sendable {
    /// GET: `HealthPage`.
    case health = "/healthz"
    /// GET: `ReadinessPage`.
    case readiness = "/readyz"
    /// GET: `OverviewPage`.
    case overview = "/v1/overview"
    /// GET: `ServicesPage`; parameters `view`, `audience`, `name`, `limit` and `continue`.
    case services = "/v1/services"
    /// GET: `ServiceDetailPage`; parameters `view` and `audience`.
    case service = "/v1/services/{name}"
    /// GET: `ExplainPage`; parameters `cluster`, `pod`, `view`, `audience` and `at`.
    case explain = "/v1/services/{name}/explain"
    /// GET: `SeriesPage`; parameters `from` and `step`.
    case series = "/v1/services/{name}/series"
    /// POST: `ReleasePage`; parameter `cluster`.
    case release = "/v1/services/{name}/release"
    /// GET: `ClientsPage`; parameters `node`, `state` and `service`.
    case clients = "/v1/clients"
    /// GET: `ClientsPage` with the clients of one node.
    case client = "/v1/clients/{name}"
    /// GET: `ResourcePage`; the type is a type URL, or `cds`, `eds`, `lds`, `rds` or `leds`.
    case resource = "/v1/clients/{name}/resources/{type}/{resource}"
    /// POST an `OverrideSpec`: `PlanPage`; parameters `view`, `assume` and `rps`.
    case plans = "/v1/plans"
    /// POST the text of a configuration file: `ConfigurationPlanPage`.
    case configurationPlans = "/v1/plans/configuration"
    /// GET: `OverridesPage`. POST an `OverrideSpec` with `If-Match`: `OverridePage`.
    case overrides = "/v1/overrides"
    /// GET: `OverridePage`.
    case override = "/v1/overrides/{name}"
    /// POST a `TransitionRequest`: `OverridePage`.
    case transitions = "/v1/overrides/{name}/transitions"
    /// GET: `TrimPage`.
    case trim = "/v1/services/{name}/trim"
    /// GET: `HistoryPage`; parameters `service`, `since`, `limit` and `continue`.
    case history = "/v1/history"
    /// GET: `PublicationPage`.
    case publication = "/v1/publication"
    /// GET: `ChecksPage`.
    case checks = "/v1/checks"
    /// GET: server-sent events; header `Last-Event-ID`.
    case events = "/v1/events"
    /// GET: `WhoAmIPage`.
    case whoami = "/v1/whoami"
    /// GET: the description of this API, OpenAPI 3.1.
    case openAPI = "/openapi.json"
    /// GET: what the type of a `ProblemPage` means.
    case problem = "/problems/{name}"
    /// GET: Prometheus' text format.
    case metrics = "/metrics"

    /// The path and query of a request.
    ///
    /// - Parameters:
    ///   - name: replaces `{name}`.
    ///   - resource: replaces `{type}` and `{resource}`.
    ///   - query: the parameters; those with a nil value are left out.
    public func path(
        name: String = "", resource: (type: String, name: String)? = nil, query: [(name: String, value: String?)] = []
    ) -> String {
        let parameters = query.compactMap { key, value in value.map { "\(key)=\(Self.escaped($0))" } }
        let path = rawValue.replacing("{name}", with: Self.escaped(name))
            .replacing("{type}", with: Self.escaped(resource?.type ?? ""))
            .replacing("{resource}", with: Self.escaped(resource?.name ?? ""))
        return parameters.isEmpty ? path : "\(path)?\(parameters.joined(separator: "&"))"
    }

    private static func escaped(_ text: String) -> String {
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
    }
}

/// Encodes and decodes pages.
public enum AdminJSON {
    /// Encodes a page as the API sends it: sorted keys, ISO 8601 dates.
    public static func encode(_ page: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(page) + Data("\n".utf8)
    }

    /// Decodes a page.
    public static func decode<Page: Decodable>(_ type: Page.Type, from data: Data) throws -> Page {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            guard let date = ISOTime.parse(try container.decode(String.self)) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "should be a time such as 2026-11-25T14:00:00Z")
            }
            return date
        }
        return try decoder.decode(type, from: data)
    }
}
