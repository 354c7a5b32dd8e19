import Foundation

/// A resource type, with the namespace and label selector of what is listed and watched.
public struct Resource: Hashable, Sendable {
    /// The API group; empty for the core group.
    public var group: String
    /// The API version, for example `v1`.
    public var version: String
    /// The plural name, for example `endpointslices`.
    public var plural: String
    /// The namespace; nil for all namespaces, or for cluster-scoped objects.
    public var namespace: String?
    /// The label selector; nil for all objects.
    public var labelSelector: String?
    /// Whether only the objects' metadata are asked for, which is a small part of a Pod.
    public var isMetadataOnly = false

    /// Creates a resource.
    public init(
        group: String, version: String, plural: String, namespace: String? = nil, labelSelector: String? = nil
    ) {
        self.group = group
        self.version = version
        self.plural = plural
        self.namespace = namespace
        self.labelSelector = labelSelector
    }

    /// A readable form, for example `endpointslices in namespace httpbin`.
    public var description: String { plural + (namespace.map { " in namespace \($0)" } ?? "") }

    /// The path and query of a list or watch request.
    func path(_ parameters: [(String, String)]) -> String {
        path(name: nil, (labelSelector.map { [("labelSelector", $0)] } ?? []) + parameters)
    }

    /// The path and query of a request for one object; for the whole list if `name` is nil.
    func path(name: String?, _ parameters: [(String, String)] = []) -> String {
        let base = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        let place = namespace.map { "/namespaces/\($0)" } ?? ""
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        let query = parameters.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: plain) ?? $1)" }
        let path = "\(base)\(place)/\(plural)\(name.map { "/\($0)" } ?? "")"
        return query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
    }

    /// The media types that a list or watch request accepts.
    var accept: String {
        guard isMetadataOnly else { return "application/json" }
        // A server that can't reduce objects sends them whole.
        return ["PartialObjectMetadataList", "PartialObjectMetadata"].map {
            "application/json;as=\($0);g=meta.k8s.io;v=v1"
        }.joined(separator: ",") + ",application/json"
    }

    /// The RBAC rule that this client needs.
    func missingRule(_ verbs: [String]) -> String {
        let role = namespace.map { "a Role in namespace \($0)" } ?? "a ClusterRole"
        let list = verbs.map { "\"\($0)\"" }.joined(separator: ", ")
        return """
            grant it by \(role) with the rule {apiGroups: ["\(group)"], resources: ["\(plural)"], verbs: [\(list)]}
            """
    }
}
