import Foundation
@testable import KubernetesClient
@testable import KubernetesDiscovery
import Model
import NIOCore
import TestBench
import Testing
import TestSupport

/// What is said where an API server can't be asked: what is wrong, of which server, and what to do.
@Suite struct ConnectionFailureTests {
    private func fill(_ server: APIServer) { server.putSlice("one", of: "httpbin", in: "n", [.init("a", "10.0.0.1")]) }

    /// Reports of a source whose kubeconfig was changed so, until one has that text.
    private func expect(
        _ text: String, options: APIServer.Options = APIServer.Options(), user: String = "{token: secret}",
        before: (APIServer, String) async throws -> Void = { _, _ in }, kubeconfig: (String) throws -> String = { $0 }
    ) async throws {
        try await watching(
            options: options, user: user, patience: impatient, kubeconfig: kubeconfig,
            before: { server, directory in
                fill(server)
                try await before(server, directory)
            }
        ) { watched in
            do {
                try await eventually(text) { watched.reports.now.failures.contains { $0.contains(text) } }
            } catch {
                Issue.record("\(watched.reports.now.failures)")
            }
        }
    }

    @Test func `no server listens on the port`() async throws {
        let start = ContinuousClock.now
        try await expect(
            "https://127.0.0.1:1 refuses the connection: does a server listen on that port?",
            kubeconfig: {
                $0.replacing(/127\.0\.0\.1:\d+/, with: "127.0.0.1:1")
            })
        #expect(ContinuousClock.now - start < .seconds(60), "told at once, not at the end of some patience")
    }

    @Test func `a host name that doesn't exist`() async throws {
        // A label of more than 63 bytes is looked up nowhere.
        let name = String(repeating: "a", count: 64) + ".example"
        try await expect(
            "can't be found: the name \(name) has no address in DNS",
            kubeconfig: {
                $0.replacing(/127\.0\.0\.1/, with: name)
            })
    }

    @Test func `another cluster's authority`() async throws {
        try await expect("shows a certificate that is not signed by the authority of context test of") { _, directory in
            try FileManager.default.createDirectory(
                atPath: "\(directory)/other", withIntermediateDirectories: true)
            _ = try Certificates(makingIn: "\(directory)/other")
        } kubeconfig: {
            try $0.replacingOnce("certificate-authority: ca.crt", with: "certificate-authority: other/ca.crt")
        }
    }

    @Test func `a certificate that has expired`() async throws {
        var options = APIServer.Options()
        options.certificate = "api"
        try await expect("shows a certificate that expired at", options: options) { server, directory in
            try Certificates(in: directory).make(
                "old", ["IP:127.0.0.1"], until: Date(timeIntervalSinceNow: -86_400))
            server.set { $0.certificate = "old" }
            let port = server.port
            await server.stop()
            // For a moment, another test's connection may use the port.
            try await eventually("the port is free") { (try? await server.start(port: port)) != nil }
        }
    }

    @Test func `a server without TLS`() async throws {
        let relay = try await Relay()
        relay.answer(with: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        try await expect(
            "does not speak TLS on this port: is it http:// instead of https://?",
            kubeconfig: {
                $0.replacing(/127\.0\.0\.1:\d+/, with: "127.0.0.1:\(relay.port)")
            })
        await relay.stop()
    }

    @Test func `a server that accepts the connection and sends nothing`() async throws {
        let relay = try await Relay()
        relay.cut()
        try await expect(
            "https://127.0.0.1:\(relay.port) takes the connection, and then does not",
            kubeconfig: {
                $0.replacing(/127\.0\.0\.1:\d+/, with: "127.0.0.1:\(relay.port)")
            })
        await relay.stop()
    }

    @Test func `HTTP to a server with TLS, too many requests, and words that are no Status`() {
        let failure = { (status: Int, body: String, retryAfter: String?) in
            APIFailure(
                status: status, body: Data(body.utf8), retryAfter: retryAfter,
                resource: .endpointSlices(in: "n"), verbs: ["list", "watch"], server: "http://10.0.0.1:6443"
            ).description
        }
        #expect(
            failure(400, "Client sent an HTTP request to an HTTPS server.\n", nil)
                == "http://10.0.0.1:6443 speaks TLS: write https:// in the kubeconfig's `server`")
        #expect(
            failure(429, "", "7")
                == """
                http://10.0.0.1:6443 answers: too many requests at the moment (429); it is asked again after the 7 s that it \
                wants
                """)
        #expect(failure(502, "Bad Gateway\nnginx", nil) == "http://10.0.0.1:6443 answers: Bad Gateway (502)")
        #expect(failure(401, "", nil).hasPrefix("http://10.0.0.1:6443 refuses the credentials (401: "))
    }

    @Test func `a connection that was cut is noticed by pings, and a change arrives soon after it is whole`()
        async throws
    {
        let relay = try await Relay()
        var patience = patient
        patience.ping = .seconds(3)
        try await watching(
            patience: patience,
            kubeconfig: { $0.replacing(/127\.0\.0\.1:\d+/, with: "127.0.0.1:\(relay.port)") },
            before: { server, _ in
                fill(server)
                relay.connect(to: server.port)
            }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin") == ["a"] }
            // Pings are answered, and nothing ends.
            let sends = relay.sends
            try await eventually("pings") { relay.sends > sends + 1 }
            #expect(reports.now.failures.isEmpty, "\(reports.now.failures)")
            relay.cut()
            try await eventually("noticed") { reports.now.failure != nil }
            relay.cut(false)
            server.putSlice("two", of: "httpbin", in: "n", [.init("b", "10.0.0.2")])
            try await eventually("it goes on") { reports.names("httpbin") == ["a", "b"] && reports.now.failure == nil }
        }
        await relay.stop()
    }

    @Test func `a version that is too old after an outage is listed anew at once`() async throws {
        var options = APIServer.Options()
        options.hasWatchList = false
        try await watching(options: options, before: { server, _ in fill(server) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("synced") { reports.names("httpbin") == ["a"] }
            for _ in 0..<4 { server.fail(.watch, .breaksAfter("")) }
            await server.disconnectAll()
            try await eventually("failures") { reports.now.failures.count >= 4 }
            server.compact()
            await server.disconnectAll()
            server.putSlice("two", of: "httpbin", in: "n", [.init("b", "10.0.0.2")])
            try await eventually("it goes on") { reports.names("httpbin") == ["a", "b"] && reports.now.failure == nil }
            // It is no failure that would have to be waited out.
            #expect(!reports.now.failures.contains { $0.contains("too old") }, "\(reports.now.failures)")
        }
    }
}
