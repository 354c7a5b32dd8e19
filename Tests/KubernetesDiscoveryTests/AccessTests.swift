import Foundation
@testable import KubernetesClient
@testable import KubernetesDiscovery
import Model
import TestBench
import Testing
import TestSupport
import YAMLFile

/// How a kubeconfig is read.
@Suite struct KubeconfigTests {
    private func access(_ text: String, context: String? = nil) throws -> APIAccess {
        try APIAccess(kubeconfig: text, file: "/k/config", context: context)
    }

    private let two = """
        apiVersion: v1
        kind: Config
        current-context: one
        contexts:
        - {name: one, context: {cluster: c1, user: u1, namespace: x}}
        - {name: two, context: {cluster: c2, user: u2}}
        clusters:
        - {name: c1, cluster: {server: "https://10.0.0.1:6443", certificate-authority: ca.crt}}
        - name: c2
          cluster:
            server: https://api.example:443/k8s/
            certificate-authority-data: UEVNCg==
            tls-server-name: kubernetes
            proxy-url: http://127.0.0.1:3128
            insecure-skip-tls-verify: true
        users:
        - {name: u1, user: {client-certificate: c.crt, client-key: /abs/c.key}}
        - {name: u2, user: {tokenFile: token, token: old, as: someone, as-groups: [g1, g2]}}
        """

    @Test func `the current context, its files beside the kubeconfig`() throws {
        let one = try access(two)
        #expect(one.server.absoluteString == "https://10.0.0.1:6443")
        #expect(one.ca == .file("/k/ca.crt"))
        #expect(one.certificate == .file("/k/c.crt"))
        #expect(one.key == .file("/abs/c.key"))
        #expect(!one.isInsecure && one.credentials == .anonymous)
    }

    @Test func `another context; data goes before files`() throws {
        let other = try access(two, context: "two")
        #expect(other.ca == .text("PEM\n"))
        #expect(other.serverName == "kubernetes")
        #expect(other.proxy?.absoluteString == "http://127.0.0.1:3128")
        #expect(other.isInsecure)
        #expect(other.credentials == .tokenFile("/k/token", fallback: "old"))
        #expect(other.impersonation == ["Impersonate-User": ["someone"], "Impersonate-Group": ["g1", "g2"]])
        #expect(other.description == "context two of /k/config")
    }

    @Test func `an exec plugin, found beside the kubeconfig or on the path`() throws {
        let text = try two.replacingOnce(
            "tokenFile: token, token: old",
            with:
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/login, args: [a], env: [{name: A, value: b}]}"
        )
        guard case .exec(let plugin) = try access(text, context: "two").credentials else {
            Issue.record("no plugin")
            return
        }
        #expect(plugin.command == "/k/bin/login" && plugin.args == ["a"] && plugin.env?.first?.value == "b")
        guard
            case .exec(let named) = try access(text.replacingOnce("bin/login", with: "login"), context: "two")
                .credentials
        else {
            Issue.record("no plugin")
            return
        }
        #expect(named.command == "login")
    }

    @Test(arguments: [
        (
            "current-context: one", "current-context: three",
            "current-context: \"three\": there is no such entry; there are: one, two"
        ),
        ("current-context: one", "current-context: \"\"", "name a `context`"),
        ("cluster: c1,", "cluster: c9,", "contexts.one.cluster: \"c9\": there is no such entry; there are: c1, c2"),
        ("https://10.0.0.1:6443", "10.0.0.1", "should be a URL such as https://127.0.0.1:6443"),
        ("client-key: /abs/c.key", "username: x", "but not both"),
        (
            "client-certificate: c.crt, client-key: /abs/c.key", "auth-provider: {name: gcp}",
            "use the provider's `exec` plugin"
        ),
        ("{name: one, context: {", "{name: one, contexts: {", "context"),
        ("kind: Config", "kind: [", "is no kubeconfig"),
    ])
    func `mistakes are named`(_ old: String, _ new: String, _ message: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try access(two.replacingOnce(old, with: new)) }
        #expect(error?.description.contains("/k/config") == true)
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test func `in a pod, what every pod is given`() throws {
        let access = try APIAccess(
            inClusterWith: ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"], directory: "/sa")
        #expect(access.server.absoluteString == "https://[fd00::1]:443")
        #expect(access.ca == .file("/sa/ca.crt"))
        #expect(access.credentials == .tokenFile("/sa/token", fallback: nil))
        #expect(throws: ConfigurationError.self) { try APIAccess(inClusterWith: [:], directory: "/sa") }
    }
}

/// Who the source is, towards a real server.
@Suite struct CredentialTests {
    private func fill(_ server: APIServer) { server.putSlice("one", of: "httpbin", in: "n", [.init("a", "10.0.0.1")]) }

    private func demanding(_ token: String) -> APIServer.Options {
        var options = APIServer.Options()
        options.token = token
        return options
    }

    @Test func `a token`() async throws {
        try await watching(options: demanding("secret"), before: { server, _ in fill(server) }) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
            #expect(watched.reports.now.failures.isEmpty)
        }
    }

    @Test func `a password, and the request taken as another's`() async throws {
        let user = """
            {username: ballast, password: secret, as: reader, as-groups: [one, two], as-uid: "7", as-user-extra: {a.b/team: [mesh]}}
            """
        try await watching(user: user, before: { server, _ in fill(server) }) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
            let headers = try #require(watched.server.requests.first).headers
            #expect(headers["authorization"] == "Basic YmFsbGFzdDpzZWNyZXQ=")
            #expect(headers["impersonate-user"] == "reader")
            #expect(headers["impersonate-group"] == "one,two")
            #expect(headers["impersonate-uid"] == "7")
            #expect(headers["impersonate-extra-a.b%2fteam"] == "mesh")
        }
    }

    @Test func `a token file is read again as it rotates, and so is a kubeconfig after 401`() async throws {
        var directory = ""
        try await watching(
            options: demanding("first"), user: "{tokenFile: token}",
            before: { server, path in
                directory = path
                try "first\n".write(toFile: "\(path)/token", atomically: true, encoding: .utf8)
                fill(server)
            }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin") == ["a"] }
            try "second\n".write(toFile: "\(directory)/token", atomically: true, encoding: .utf8)
            server.set { $0.token = "second" }
            await server.disconnectAll()
            server.putSlice("two", of: "httpbin", in: "n", [.init("b", "10.0.0.2")])
            try await eventually("with the new token") { reports.names("httpbin") == ["a", "b"] }
            #expect(!reports.now.failures.contains { $0.contains("401") })

            // Now the token is in the kubeconfig, which changes too late.
            server.set { $0.token = "third" }
            await server.disconnectAll()
            try await eventually("refused") { reports.now.failure?.contains("401") == true }
            #expect(reports.names("httpbin") == ["a", "b"])
            try server.kubeconfig(user: "{token: third}")
                .write(toFile: "\(directory)/config", atomically: true, encoding: .utf8)
            server.putSlice("three", of: "httpbin", in: "n", [.init("c", "10.0.0.3")])
            try await eventually("with the new kubeconfig") {
                reports.names("httpbin") == ["a", "b", "c"] && reports.now.failure == nil
            }
        }
    }

    @Test(arguments: [false, true])
    func `a client certificate, from files or from data`(asData: Bool) async throws {
        var options = APIServer.Options()
        options.demandsCertificate = true
        var user = "{client-certificate: client.crt, client-key: client.key}"
        try await watching(
            options: options, user: "USER", kubeconfig: { try $0.replacingOnce("USER", with: user) },
            before: { server, directory in
                fill(server)
                guard asData else { return }
                let data = { (name: String) throws in
                    try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)")).base64EncodedString()
                }
                user =
                    "{client-certificate-data: \(try data("client.crt")), client-key-data: \(try data("client.key"))}"
            }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
        }
    }

    @Test func `without the certificate that the server demands, nothing is known`() async throws {
        var options = APIServer.Options()
        options.demandsCertificate = true
        try await watching(
            options: options, user: "{}", patience: impatient, before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("refused") { watched.reports.now.failure != nil }
            #expect(watched.reports.now.pods == nil)
        }
    }

    /// A plugin that prints a token and counts its runs.
    private func plugin(in directory: String, token: String, expires: String? = nil) throws {
        let expiration = expires.map { #","expirationTimestamp":"\#($0)""# } ?? ""
        let script = """
            #!/bin/sh
            echo run >>"$RUNS"
            case "$KUBERNETES_EXEC_INFO" in *ExecCredential*) ;; *) exit 1 ;; esac
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"\(token)"\(expiration)}}'
            """
        try script.write(toFile: "\(directory)/login", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(directory)/login")
    }

    private let execUser =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, env: [{name: RUNS, value: DIR/runs}]}}"

    @Test func `an exec plugin is asked once, and again when what it gave has expired or is refused`() async throws {
        var directory = ""
        let runs = { ((try? String(contentsOfFile: "\(directory)/runs", encoding: .utf8)) ?? "").count { $0 == "\n" } }
        try await watching(
            options: demanding("first"), user: execUser, kubeconfig: { try $0.replacingOnce("DIR", with: directory) },
            before: { server, path in
                directory = path
                try plugin(in: path, token: "first")
                fill(server)
            }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin") == ["a"] }
            #expect(runs() == 1)
            server.set { $0.token = "second" }
            try plugin(in: directory, token: "second", expires: "2020-01-01T00:00:00Z")
            await server.disconnectAll()
            server.putSlice("two", of: "httpbin", in: "n", [.init("b", "10.0.0.2")])
            try await eventually("with another token") { reports.names("httpbin") == ["a", "b"] }
            // It is expired already: the next request needs another.
            server.set { $0.token = "third" }
            try plugin(in: directory, token: "third")
            let refusals = reports.now.failures.count { $0.contains("401") }
            await server.disconnectAll()
            server.putSlice("three", of: "httpbin", in: "n", [.init("c", "10.0.0.3")])
            try await eventually("with the third") { reports.names("httpbin") == ["a", "b", "c"] }
            #expect(reports.now.failures.count { $0.contains("401") } == refusals, "asked before it was refused")
        }
    }

    @Test func `watches go on when a plugin's token expires`() async throws {
        var directory = ""
        try await watching(
            "{kubeconfig: config, export: true, namespaces: [n]}", options: demanding("secret"), user: execUser,
            kubeconfig: { try $0.replacingOnce("DIR", with: directory) },
            before: { server, path in
                directory = path
                // Each request needs another one.
                try plugin(in: path, token: "secret", expires: "2020-01-01T00:00:00Z")
                fill(server)
                server.putService("httpbin", in: "n", labels: ["ballast.dev/export": "true"])
            }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin.n") == ["a"] }
            let requests = watched.server.requests.count
            watched.server.endWatches(of: "services")
            try await eventually("services are watched again") { watched.server.requests.count == requests + 1 }
            watched.server.putSlice("two", of: "httpbin", in: "n", [.init("b", "10.0.0.2")])
            try await eventually("told") { watched.reports.names("httpbin.n") == ["a", "b"] }
            #expect(watched.reports.now.failures.isEmpty)
        }
    }

    @Test(arguments: [
        (
            "command: ./login", "command: no-such-program, installHint: get it",
            "there is no program no-such-program. get it"
        ),
        ("command: ./login", "command: 'false'", "false ended with 1"),
        ("command: ./login", "command: ./login, interactiveMode: Always", "wants a terminal"),
        (
            "command: ./login",
            "provideClusterInfo: true, command: sh, args: [-c, 'echo $KUBERNETES_EXEC_INFO | tr -d \\\\ >&2; exit 3']",
            "\"server\":\"https://127.0.0.1:"
        ),
        ("command: ./login", "command: echo, args: [hello]", "printed no ExecCredential"),
    ])
    func `a plugin that fails is named`(_ old: String, _ new: String, _ message: String) async throws {
        try await watching(user: execUser.replacingOnce(old, with: new), before: { server, _ in fill(server) }) {
            watched in
            try await eventually("told") { watched.reports.now.failure?.contains(message) == true }
        }
    }

    @Test func `a plugin that does not end is ended, with what it started`() async throws {
        var directory = ""
        let user = try execUser.replacingOnce(
            "command: ./login", with: "command: sh, args: [-c, 'sleep 1000 & echo $! >>$RUNS; wait']")
        try await watching(
            user: user, patience: impatient, kubeconfig: { try $0.replacingOnce("DIR", with: directory) },
            before: { _, path in directory = path }
        ) { watched in
            try await eventually("told") {
                watched.reports.now.failure?.contains("sh has not ended after 2.0 seconds") == true
            }
            let first = try String(contentsOfFile: "\(directory)/runs", encoding: .utf8).split(separator: "\n").first
            let pid = try #require(first.flatMap { pid_t($0) })
            try await eventually("it has ended") { kill(pid, 0) != 0 }
        }
    }

    @Test func `a server of another name is refused, and taken under tls-server-name`() async throws {
        var options = APIServer.Options()
        options.certificate = "peer"
        try await watching(options: options, patience: impatient, before: { server, _ in fill(server) }) { watched in
            try await eventually("refused") {
                watched.reports.now.failure?.contains("shows a certificate for another name") == true
            }
            #expect(watched.reports.now.pods == nil)
        }
        try await watching(
            options: options,
            kubeconfig: {
                try $0.replacingOnce(
                    "certificate-authority:", with: "tls-server-name: peer.example, certificate-authority:")
            },
            before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
        }
    }

    @Test func `tls-server-name is what the certificate has to be for, whatever address it has besides`() async throws {
        try await watching(
            patience: impatient,
            kubeconfig: {
                try $0.replacingOnce(
                    "certificate-authority:", with: "tls-server-name: other.example, certificate-authority:")
            },
            before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("refused, with the names that it has") {
                watched.reports.now.failure?.contains(
                    "is not for other.example (tls-server-name); it is for api.example") == true
            }
            // And so it goes on.
            try await eventually("several times") { watched.reports.now.failures.count > 3 }
            #expect(watched.reports.now.pods == nil)
            #expect(watched.server.requests.isEmpty, "no request, and so no token, is sent to it")
        }
    }

    @Test(arguments: [
        ("api.example", "api.example", true), ("API.example.", "api.Example", true),
        ("b.example", "api.example", false),
        ("*.example.org", "api.example.org", true), ("*.example.org", "a.b.example.org", false),
        ("*.example.org", "example.org", false), ("*.org", "example.org", false),
        ("a*.example.org", "api.example.org", false),
        ("*", "localhost", false),
    ]) func `a certificate's name covers a host name as RFC 9525 says`(
        _ pattern: String, _ name: String, _ isMatch: Bool
    ) {
        #expect(ServerIdentity.pattern(pattern, matches: name) == isMatch)
    }

    @Test(arguments: ["", "tls-server-name: api.example, "]) func `a server with an IPv6 address`(_ name: String)
        async throws
    {
        var options = APIServer.Options()
        options.host = "::1"
        try await watching(
            options: options,
            kubeconfig: { try $0.replacingOnce("certificate-authority:", with: "\(name)certificate-authority:") },
            before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
        }
    }

    @Test func `an unknown authority is refused; insecure-skip-tls-verify accepts it, with a warning`() async throws {
        try await watching(
            patience: impatient,
            kubeconfig: { try $0.replacingOnce(", certificate-authority: ca.crt", with: "") },
            before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("refused") { watched.reports.now.failure != nil }
            #expect(watched.reports.now.pods == nil)
        }
        try await watching(
            kubeconfig: {
                try $0.replacingOnce("certificate-authority: ca.crt", with: "insecure-skip-tls-verify: true")
            },
            before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
            #expect(watched.log.all.contains { $0.hasPrefix("warning insecure-skip-tls-verify is set") })
        }
    }

    @Test(arguments: ["http", "socks5"]) func `requests go through the proxy`(_ scheme: String) async throws {
        let proxy = try await Proxy()
        try await watching(
            kubeconfig: {
                try $0.replacingOnce(
                    "certificate-authority:",
                    with: "proxy-url: \"\(scheme)://127.0.0.1:\(proxy.port)\", certificate-authority:")
            },
            before: { server, _ in fill(server) }
        ) { watched in
            try await eventually("synced") { watched.reports.names("httpbin") == ["a"] }
            #expect(proxy.targets == ["127.0.0.1:\(watched.server.port)"])
        }
        await proxy.stop()
    }
}
