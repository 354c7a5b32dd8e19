import Intent
import Foundation
import MeshConfiguration
import YAMLFile
import Yams

/// How to reach an API server, and as whom: one context of a kubeconfig, or what a pod finds in its own cluster.
struct APIAccess: Hashable, Sendable {
    /// A PEM text, or the path of a file with one; files are read anew for each connection.
    enum PEM: Hashable, Sendable {
        case text(String)
        case file(String)
    }

    /// What shows who asks.
    enum Credentials: Hashable, Sendable {
        case anonymous
        case token(String)
        /// The file is read for each request: such tokens are replaced while they are valid. The text is for as long
        /// as the file can't be read.
        case tokenFile(String, fallback: String?)
        case password(user: String, String)
        case exec(ExecPlugin)
    }

    /// Such as `https://127.0.0.1:6443`.
    var server: URL
    var ca: PEM?
    /// The name that the server's certificate has to carry, if it isn't the URL's.
    var serverName: String?
    var isInsecure = false
    var proxy: URL?
    var certificate: PEM?
    var key: PEM?
    var credentials = Credentials.anonymous
    /// Headers that have the server take the request as another's.
    var impersonation: [String: [String]] = [:]
    /// For people.
    var description: String

    /// RFC 9110, 5.6.2, without the percent sign.
    private static let inHeaderNames = CharacterSet(
        charactersIn: "!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

    /// Reads the settings' kubeconfig, or finds what this pod was given.
    init(_ access: KubernetesAccess) throws(ConfigurationError) {
        if let kubeconfig = access.kubeconfig {
            try self.init(kubeconfig: TextFile.read(kubeconfig), file: kubeconfig, context: access.context)
        } else {
            try self.init(inClusterWith: ProcessInfo.processInfo.environment)
        }
    }

    /// What every pod is given.
    init(
        inClusterWith environment: [String: String],
        directory: String = "/var/run/secrets/kubernetes.io/serviceaccount"
    ) throws(ConfigurationError) {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"],
            let url = URL(string: host.contains(":") ? "https://[\(host)]:\(port)" : "https://\(host):\(port)")
        else {
            throw ConfigurationError(
                file: directory,
                message: """
                    this is no pod of a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): name \
                    a `kubeconfig`
                    """)
        }
        server = url
        ca = .file("\(directory)/ca.crt")
        credentials = .tokenFile("\(directory)/token", fallback: nil)
        description = "in-cluster"
    }

    /// Reads a kubeconfig as kubectl does; relative paths count from its directory.
    init(kubeconfig text: String, file: String, context wanted: String?) throws(ConfigurationError) {
        let config: Kubeconfig
        try AliasLimit.check(text, file: file)
        do {
            config = try YAMLDecoder().decode(Kubeconfig.self, from: text)
        } catch {
            throw ConfigurationError(file: file, message: "is no kubeconfig: \(Self.reason(error))")
        }
        func find<Entry>(_ name: String?, in list: [Named<Entry>]?, _ field: String) throws(ConfigurationError) -> Entry
        {
            guard let name, !name.isEmpty else {
                throw ConfigurationError(file: file, field: field, message: "is not set: name a `context`")
            }
            guard let entry = list?.first(where: { $0.name == name }) else {
                let all = (list ?? []).map(\.name).joined(separator: ", ")
                throw ConfigurationError(
                    file: file, field: field, value: name, message: "there is no such entry; there are: \(all)")
            }
            return entry.value
        }
        let name = wanted ?? config.currentContext
        let context = try find(name, in: config.contexts, "current-context")
        let cluster = try find(context.cluster, in: config.clusters, "contexts.\(name ?? "").cluster")
        let directory = URL(fileURLWithPath: file).deletingLastPathComponent()
        let path = { (text: String) in URL(fileURLWithPath: text, relativeTo: directory).path }

        guard let server = cluster.server.flatMap({ URL(string: $0) }), ["https", "http"].contains(server.scheme),
            server.host() != nil
        else {
            throw ConfigurationError(
                file: file, field: "clusters.\(context.cluster ?? "").server", value: cluster.server,
                message: "should be a URL such as https://127.0.0.1:6443")
        }
        self.server = server
        description = "context \(name ?? "") of \(file)"
        func pem(_ data: String?, _ file: String?, _ field: String) throws(ConfigurationError) -> PEM? {
            if let data, !data.isEmpty {
                guard let bytes = Data(base64Encoded: data, options: .ignoreUnknownCharacters),
                    let text = String(data: bytes, encoding: .utf8)
                else {
                    throw ConfigurationError(file: description, field: field, message: "should be PEM in base64")
                }
                return .text(text)
            }
            return file.flatMap { $0.isEmpty ? nil : .file(path($0)) }
        }
        ca = try pem(cluster.caData, cluster.ca, "certificate-authority-data")
        serverName = cluster.serverName
        isInsecure = cluster.isInsecure ?? false
        if let text = cluster.proxy, !text.isEmpty {
            guard let url = URL(string: text), let scheme = url.scheme, ["http", "socks5"].contains(scheme) else {
                throw ConfigurationError(
                    file: file, field: "proxy-url", value: text, message: "should be an http:// or a socks5:// URL")
            }
            proxy = url
        }
        // A context without a user is anonymous.
        guard let userName = context.user, !userName.isEmpty else { return }
        let user = try find(userName, in: config.users, "contexts.\(name ?? "").user")
        certificate = try pem(user.certificateData, user.certificate, "client-certificate-data")
        key = try pem(user.keyData, user.key, "client-key-data")
        guard (certificate == nil) == (key == nil) else {
            throw ConfigurationError(
                file: file, field: "users.\(userName)",
                message: "has a client certificate or a client key, but not both")
        }
        if let user = user.impersonated { impersonation["Impersonate-User"] = [user] }
        if let groups = user.impersonatedGroups { impersonation["Impersonate-Group"] = groups }
        if let uid = user.impersonatedUID { impersonation["Impersonate-Uid"] = [uid] }
        for (key, values) in user.impersonatedExtra ?? [:] {
            // A header's name takes no `/`, and keys have some (Kubernetes, user impersonation).
            let key = key.addingPercentEncoding(withAllowedCharacters: Self.inHeaderNames) ?? key
            impersonation["Impersonate-Extra-\(key)"] = values
        }
        guard user.authProvider == nil else {
            throw ConfigurationError(
                file: file, field: "users.\(userName).auth-provider",
                message: "was taken out of Kubernetes: use the provider's `exec` plugin")
        }
        if var plugin = user.exec {
            // As kubectl: a path counts from the kubeconfig, a name is looked for.
            if plugin.command.contains("/") { plugin.command = path(plugin.command) }
            credentials = .exec(plugin)
        } else if let file = user.tokenFile, !file.isEmpty {
            credentials = .tokenFile(path(file), fallback: user.token)
        } else if let token = user.token, !token.isEmpty {
            credentials = .token(token)
        } else if let name = user.username, let password = user.password {
            credentials = .password(user: name, password)
        }
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

/// A kubeconfig's fields, as far as they matter here.
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

/// An entry of one of the lists, whose content is under the singular of the list's name.
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
