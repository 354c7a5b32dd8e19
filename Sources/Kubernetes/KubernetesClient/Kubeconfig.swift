import Foundation
import YAMLFile
import Yams

extension APIAccess {
    /// Reads a kubeconfig by kubectl's rules; relative paths are relative to its directory.
    ///
    /// - Parameter wanted: the context; nil for the current one.
    init(kubeconfig text: String, file: String, context wanted: String?) throws(ConfigurationError) {
        let reader = try KubeconfigReader(text, file: file)
        let name = wanted ?? reader.config.currentContext
        let context = try reader.find(name, in: reader.config.contexts, "current-context")
        let cluster = try reader.find(context.cluster, in: reader.config.clusters, "contexts.\(name ?? "").cluster")
        self.init(
            server: try reader.server(of: cluster, named: context.cluster ?? ""),
            description: "context \(name ?? "") of \(file)")
        ca = try reader.pem(cluster.caData, cluster.ca, "certificate-authority-data", of: description)
        serverName = cluster.serverName
        isInsecure = cluster.isInsecure ?? false
        proxy = try reader.proxy(cluster.proxy)
        // A context without a user is anonymous.
        guard let userName = context.user, !userName.isEmpty else { return }
        let user = try reader.find(userName, in: reader.config.users, "contexts.\(name ?? "").user")
        certificate = try reader.pem(user.certificateData, user.certificate, "client-certificate-data", of: description)
        key = try reader.pem(user.keyData, user.key, "client-key-data", of: description)
        guard (certificate == nil) == (key == nil) else {
            throw reader.error(
                "users.\(userName)", "has a client certificate or a client key, but not both")
        }
        guard user.authProvider == nil else {
            throw reader.error(
                "users.\(userName).auth-provider", "was taken out of Kubernetes: use the provider's `exec` plugin")
        }
        impersonation = user.impersonation
        credentials = reader.credentials(of: user)
    }
}

/// Decodes one kubeconfig, and reports errors in it.
private struct KubeconfigReader {
    let config: Kubeconfig
    private let file: String

    init(_ text: String, file: String) throws(ConfigurationError) {
        self.file = file
        try AliasLimit.check(text, file: file)
        do {
            config = try YAMLDecoder().decode(Kubeconfig.self, from: text)
        } catch {
            throw ConfigurationError(file: file, message: "is no kubeconfig: \(Self.reason(error))")
        }
    }

    func error(_ field: String, value: String? = nil, _ message: String) -> ConfigurationError {
        ConfigurationError(file: file, field: field, value: value, message: message)
    }

    /// Finds an entry of a list by its name.
    func find<Entry>(_ name: String?, in list: [Named<Entry>]?, _ field: String) throws(ConfigurationError) -> Entry {
        guard let name, !name.isEmpty else { throw error(field, "is not set: name a `context`") }
        guard let entry = list?.first(where: { $0.name == name }) else {
            let all = (list ?? []).map(\.name).joined(separator: ", ")
            throw error(field, value: name, "there is no such entry; there are: \(all)")
        }
        return entry.value
    }

    func server(of cluster: Kubeconfig.Cluster, named name: String) throws(ConfigurationError) -> URL {
        guard let server = cluster.server.flatMap({ URL(string: $0) }), ["https", "http"].contains(server.scheme),
            server.host() != nil
        else {
            throw error(
                "clusters.\(name).server", value: cluster.server, "should be a URL such as https://127.0.0.1:6443")
        }
        return server
    }

    func proxy(_ text: String?) throws(ConfigurationError) -> URL? {
        guard let text, !text.isEmpty else { return nil }
        guard let url = URL(string: text), let scheme = url.scheme, ["http", "socks5"].contains(scheme) else {
            throw error("proxy-url", value: text, "should be an http:// or a socks5:// URL")
        }
        return url
    }

    /// A PEM text in base64, or the path of a file; nil if there is neither.
    func pem(
        _ data: String?, _ path: String?, _ field: String, of description: String
    ) throws(ConfigurationError) -> APIAccess.PEM? {
        if let data, !data.isEmpty {
            guard let bytes = Data(base64Encoded: data, options: .ignoreUnknownCharacters),
                let text = String(data: bytes, encoding: .utf8)
            else { throw ConfigurationError(file: description, field: field, message: "should be PEM in base64") }
            return .text(text)
        }
        return path.flatMap { $0.isEmpty ? nil : .file(absolute($0)) }
    }

    func credentials(of user: Kubeconfig.User) -> APIAccess.Credentials {
        if var plugin = user.exec {
            // Same rule as kubectl: a path is relative to the kubeconfig, a plain name is searched in PATH.
            if plugin.command.contains("/") { plugin.command = absolute(plugin.command) }
            return .exec(plugin)
        }
        if let file = user.tokenFile, !file.isEmpty { return .tokenFile(absolute(file), fallback: user.token) }
        if let token = user.token, !token.isEmpty { return .token(token) }
        if let name = user.username, let password = user.password { return .password(user: name, password) }
        return .anonymous
    }

    private func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: file).deletingLastPathComponent()).path
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")) has no field \(key.stringValue)"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
        case DecodingError.dataCorrupted(let context): context.debugDescription
        default: "\(error)"
        }
    }
}

extension Kubeconfig.User {
    /// The characters of RFC 9110, 5.6.2, without the percent sign.
    private static let inHeaderNames = CharacterSet(
        charactersIn: "!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

    fileprivate var impersonation: [String: [String]] {
        var headers: [String: [String]] = [:]
        if let impersonated { headers["Impersonate-User"] = [impersonated] }
        if let impersonatedGroups { headers["Impersonate-Group"] = impersonatedGroups }
        if let impersonatedUID { headers["Impersonate-Uid"] = [impersonatedUID] }
        for (key, values) in impersonatedExtra ?? [:] {
            // Keys may contain `/`, which header names can't, so it is percent-encoded (Kubernetes, user
            // impersonation).
            let key = key.addingPercentEncoding(withAllowedCharacters: Self.inHeaderNames) ?? key
            headers["Impersonate-Extra-\(key)"] = values
        }
        return headers
    }
}

/// The fields of a kubeconfig that are used here.
private struct Kubeconfig: Decodable {
    var currentContext: String?
    var contexts: [Named<Context>]?
    var clusters: [Named<Cluster>]?
    var users: [Named<User>]?

    enum CodingKeys: String, CodingKey {
        case currentContext = "current-context"
        case contexts, clusters, users
    }

    struct Context: Decodable {
        var cluster: String?
        var user: String?
    }

    struct Cluster: Decodable {
        var server: String?
        var ca: String?
        var caData: String?
        var serverName: String?
        var isInsecure: Bool?
        var proxy: String?

        enum CodingKeys: String, CodingKey {
            case server
            case ca = "certificate-authority"
            case caData = "certificate-authority-data"
            case serverName = "tls-server-name"
            case isInsecure = "insecure-skip-tls-verify"
            case proxy = "proxy-url"
        }
    }

    struct User: Decodable {
        struct AuthProvider: Decodable {}

        var certificate: String?
        var certificateData: String?
        var key: String?
        var keyData: String?
        var token: String?
        var tokenFile: String?
        var username: String?
        var password: String?
        var exec: ExecPlugin?
        var authProvider: AuthProvider?
        var impersonated: String?
        var impersonatedGroups: [String]?
        var impersonatedUID: String?
        var impersonatedExtra: [String: [String]]?

        enum CodingKeys: String, CodingKey {
            case certificate = "client-certificate"
            case certificateData = "client-certificate-data"
            case key = "client-key"
            case keyData = "client-key-data"
            case token, tokenFile, username, password, exec
            case authProvider = "auth-provider"
            case impersonated = "as"
            case impersonatedGroups = "as-groups"
            case impersonatedUID = "as-uid"
            case impersonatedExtra = "as-user-extra"
        }
    }
}

/// An entry of one of the lists.
///
/// Its value is in a field named like the list, but in the singular.
private struct Named<Value: Decodable>: Decodable {
    var name: String
    var value: Value

    private enum CodingKeys: String, CodingKey {
        case name, context, cluster, user
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        name = try fields.decode(String.self, forKey: .name)
        let key: CodingKeys =
            switch Value.self {
            case is Kubeconfig.Context.Type: .context
            case is Kubeconfig.Cluster.Type: .cluster
            default: .user
            }
        value = try fields.decode(Value.self, forKey: key)
    }
}
