import Foundation
public import YAMLFile

/// How to reach an API server, and as whom.
public struct APIAccess: Hashable, Sendable {
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
    /// For people: `context west of /etc/ballast/west.kubeconfig`.
    public internal(set) var description: String

    init(server: URL, description: String) {
        self.server = server
        self.description = description
    }

    /// Reads one context of a kubeconfig, or what a pod finds in its own cluster.
    ///
    /// - Parameters:
    ///   - path: the kubeconfig's; nil for a pod's own cluster.
    ///   - context: nil for the current one.
    public init(kubeconfig path: String?, context: String?) throws(ConfigurationError) {
        if let path {
            try self.init(kubeconfig: TextFile.read(path), file: path, context: context)
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
        self.init(server: url, description: "in-cluster")
        ca = .file("\(directory)/ca.crt")
        credentials = .tokenFile("\(directory)/token", fallback: nil)
    }
}
