public import Foundation

/// A path of the admin API, for its server and its clients.
public enum AdminRoute: String, CaseIterable, Sendable {
    /// GET: `HealthPage`.
    case health = "/healthz"
    /// GET: `ReadinessPage`.
    case readiness = "/readyz"
    /// GET: `ServicesPage`; parameters `view` and `audience`.
    case services = "/v1/services"
    /// GET: `ServiceDetailPage`; parameters `view` and `audience`.
    case service = "/v1/services/{name}"
    /// POST: `ReleasePage`; parameter `cluster`.
    case release = "/v1/services/{name}/release"
    /// GET: `ClientsPage`; parameter `node`.
    case clients = "/v1/clients"
    /// POST an `OverrideSpec`: `PlanPage`; parameter `view`.
    case plans = "/v1/plans"
    /// GET: `OverridesPage`. POST an `OverrideSpec` with `If-Match`: `OverridePage`.
    case overrides = "/v1/overrides"
    /// GET: `OverridePage`.
    case override = "/v1/overrides/{name}"
    /// POST a `TransitionRequest`: `OverridePage`.
    case transitions = "/v1/overrides/{name}/transitions"
    /// GET: Prometheus' text format.
    case metrics = "/metrics"

    /// The path and query of a request.
    ///
    /// - Parameters:
    ///   - name: replaces `{name}`.
    ///   - query: the parameters; those with a nil value are left out.
    public func path(name: String = "", query: [(String, String?)] = []) -> String {
        let parameters = query.compactMap { key, value in value.map { "\(key)=\(Self.escaped($0))" } }
        let path = rawValue.replacing("{name}", with: Self.escaped(name))
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
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode(type, from: data)
    }
}
