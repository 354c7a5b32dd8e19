import Foundation

/// A kind of object, and which of them: what is listed and watched.
public struct Resource: Hashable, Sendable {
    /// Empty for the core.
    public var group: String
    /// Such as `v1`.
    public var version: String
    /// Such as `endpointslices`.
    public var plural: String
    /// Nil for all, or for objects without one.
    public var namespace: String?
    /// Nil for all.
    public var labelSelector: String?

    /// A kind of object.
    public init(
        group: String, version: String, plural: String, namespace: String? = nil, labelSelector: String? = nil
    ) {
        self.group = group
        self.version = version
        self.plural = plural
        self.namespace = namespace
        self.labelSelector = labelSelector
    }

    /// For people: `endpointslices in namespace httpbin`.
    public var description: String { plural + (namespace.map { " in namespace \($0)" } ?? "") }

    /// The path and the query of a request for many.
    func path(_ parameters: [(String, String)]) -> String {
        path(name: nil, (labelSelector.map { [("labelSelector", $0)] } ?? []) + parameters)
    }

    /// The path and the query of a request for one object; nil for many.
    func path(name: String?, _ parameters: [(String, String)] = []) -> String {
        let base = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        let place = namespace.map { "/namespaces/\($0)" } ?? ""
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        let query = parameters.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: plain) ?? $1)" }
        let path = "\(base)\(place)/\(plural)\(name.map { "/\($0)" } ?? "")"
        return query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
    }

    /// What to grant this client.
    func missingRule(_ verbs: [String]) -> String {
        let role = namespace.map { "a Role in namespace \($0)" } ?? "a ClusterRole"
        let list = verbs.map { "\"\($0)\"" }.joined(separator: ", ")
        return """
            grant it by \(role) with the rule {apiGroups: ["\(group)"], resources: ["\(plural)"], verbs: [\(list)]}
            """
    }
}
