import Foundation

/// A kind of object, and which of them: what is listed and watched.
struct Resource: Hashable, Sendable {
    /// Empty for the core.
    var group: String
    var version: String
    var plural: String
    /// Nil for all, or for objects without one.
    var namespace: String?
    var labelSelector: String?

    static func endpointSlices(in namespace: String?) -> Resource {
        Resource(
            group: "discovery.k8s.io", version: "v1", plural: "endpointslices", namespace: namespace,
            labelSelector: "kubernetes.io/service-name")
    }

    static func services(in namespace: String?, labelSelector: String) -> Resource {
        Resource(group: "", version: "v1", plural: "services", namespace: namespace, labelSelector: labelSelector)
    }

    static let nodes = Resource(group: "", version: "v1", plural: "nodes")

    /// For people: `endpointslices in namespace httpbin`.
    var description: String { plural + (namespace.map { " in namespace \($0)" } ?? "") }

    /// The path and the query of a request.
    func path(_ parameters: [(String, String)]) -> String {
        let base = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        let place = namespace.map { "/namespaces/\($0)" } ?? ""
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        let query = (labelSelector.map { [("labelSelector", $0)] } ?? []) + parameters
        return "\(base)\(place)/\(plural)?"
            + query.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: plain) ?? $1)" }
            .joined(separator: "&")
    }

    /// What to grant whoever asks.
    var missingRule: String {
        let role = namespace.map { "a Role in namespace \($0)" } ?? "a ClusterRole"
        return """
            grant it by \(role) with the rule {apiGroups: ["\(group)"], resources: ["\(plural)"], verbs: ["list", "watch"]}
            """
    }
}
