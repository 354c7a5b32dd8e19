import Foundation
public import YAMLFile

/// The address of an API server and the credentials for it.
public struct APIAccess: Hashable, Sendable {
    /// A PEM text, or the path of a PEM file; files are read for each new connection.
    enum PEM: Hashable, Sendable {
        case text(String)
        case file(String)
    }

    enum Credentials: Hashable, Sendable {
        case anonymous
        case token(String)
        /// The file is read for each request, because such tokens are replaced before they expire.
        ///
        /// `fallback` is used if the file can't be read.
        case tokenFile(String, fallback: String?)
        case password(user: String, String)
        case exec(ExecPlugin)
    }

    /// For example `https://127.0.0.1:6443`.
    var server: URL
    var ca: PEM?
    /// The name that the server's certificate must have; nil for the URL's host.
    var serverName: String?
    var isInsecure = false
    var proxy: URL?
    var certificate: PEM?
    var key: PEM?
    var credentials = Credentials.anonymous
    /// Headers for user impersonation.
    var impersonation: [String: [String]] = [:]
    /// A readable form, for example `context west of /etc/ballast/west.kubeconfig`.
    public internal(set) var description: String

    init(server: URL, description: String) {
        self.server = server
        self.description = description
    }

    /// Reads a context of a kubeconfig, or the service account of the pod this runs in.
    ///
    /// - Parameters:
    ///   - path: the kubeconfig; nil for the pod's own cluster.
    ///   - context: the context; nil for the current one.
    public init(kubeconfig path: String?, context: String?) throws(ConfigurationError) {
        if let path {
            try self.init(kubeconfig: TextFile.read(path), file: path, context: context)
        } else {
            try self.init(inClusterWith: ProcessInfo.processInfo.environment)
        }
    }

    /// Reads the environment and the service account files that Kubernetes gives every pod.
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
