@testable import Admin
import AdminAPI
import Foundation
import GRPCTransport
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import Overrides
import TestBench
import Testing
import TestSupport

/// Who may do what with the admin API.
@Suite struct AccessTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func hash(_ token: String) -> String {
        sha256(Array(token.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// Runs a server whose tokens are `viewer`, `operator` and `breaker`.
    private func withServer(
        writes: Int = 100, rules: String = "", clusters: String = "",
        _ body: @Sendable (any TestClientProtocol, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let lines = ["viewer", "operator", "breaker"].map { "\($0)-1 \($0) sha256:\(hash($0))" }
            try ("# who may do what\n\n" + lines.joined(separator: "\n") + "\n")
                .write(toFile: "\(directory)/tokens", atomically: true, encoding: .utf8)
            let configuration =
                try RunningControlPlane.configuration.replacingOnce(
                    "services:", with: "\(clusters)services:") + "\noverrides: {store: memory\(rules)}\n"
            try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
                let server = AdminServer(
                    plane.controlPlane, host: "127.0.0.1", port: 0,
                    settings: AdminSettings(tokens: "\(directory)/tokens", writesPerMinute: writes), version: "1",
                    metrics: PrometheusMetrics(help: [:]), logger: Self.quiet)
                try await Application(router: server.router(), logger: Self.quiet).test(.router) {
                    try await body($0, directory)
                }
            }
        }
    }

    private static let spec = #"{"service": "httpbin", "shares": {"west": 20}, "permanent": true, "reason": "a test"}"#

    private func send(
        _ client: any TestClientProtocol, _ uri: String, _ token: String?, body: String? = nil,
        _ more: [(String, String)] = []
    ) async throws -> (status: Int, data: Data) {
        var headers: HTTPFields = [:]
        if let token { headers[.authorization] = "Bearer \(token)" }
        if body != nil { headers[.contentType] = "application/json" }
        for (name, value) in more { headers[try #require(HTTPField.Name(name))] = value }
        return try await client.execute(
            uri: uri, method: body == nil ? .get : .post, headers: headers,
            body: body.map { ByteBuffer(string: $0) }
        ) { ($0.status.code, Data(buffer: $0.body)) }
    }

    /// Sends a request, and checks the answer's status.
    private func check(
        _ client: any TestClientProtocol, _ uri: String, _ token: String?, body: String? = nil,
        _ more: [(String, String)] = [], is status: Int, at location: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await send(client, uri, token, body: body, more)
        #expect(
            answer.status == status, "\(uri) \(more): \(String(decoding: answer.data, as: UTF8.self))",
            sourceLocation: location)
    }

    private func etag(_ client: any TestClientProtocol, _ token: String) async throws -> String {
        let plan = try await send(client, "/v1/plans", token, body: Self.spec)
        #expect(plan.status == 200)
        return "\"\(try AdminJSON.decode(PlanPage.self, from: plan.data).etag)\""
    }

    @Test func `each role does what it may, and a change is made under the token's name`() async throws {
        try await withServer { client, directory in
            for token in ["viewer", "operator", "breaker"] {
                let page = try AdminJSON.decode(
                    WhoAmIPage.self, from: try await send(client, "/v1/whoami", token).data)
                #expect(page.name == "\(token)-1" && page.roles.last == token)
            }
            try await check(client, "/v1/whoami", nil, is: 401)
            try await check(client, "/v1/whoami", "Viewer", is: 401)
            let match = [("If-Match", try await etag(client, "viewer"))]
            try await check(client, "/v1/overrides", "viewer", body: Self.spec, match, is: 403)
            let created = try await send(client, "/v1/overrides", "operator", body: Self.spec, match)
            #expect(created.status == 201)
            let override = try AdminJSON.decode(OverridePage.self, from: created.data).override
            #expect(override.createdBy == "operator-1")
            let revert = #"{"type": "Revert"}"#
            let path = "/v1/overrides/\(override.id)/transitions"
            try await check(client, path, "viewer", body: revert, is: 403)
            try await check(client, path, "breaker", body: revert, is: 201)
            // A line that can't be read lets nobody in, with a reason that names it.
            try "anna admin sha256:00".write(toFile: "\(directory)/tokens", atomically: true, encoding: .utf8)
            try await check(client, "/v1/whoami", "viewer", is: 503)
            try await check(client, "/healthz", nil, is: 200)
        }
    }

    @Test func `a safety rule is broken only by name, and only by a breaker`() async throws {
        try await withServer(rules: ", rules: {small-steps: {step: 10}}") { client, _ in
            let match = [("If-Match", try await etag(client, "viewer"))]
            let refused = try await send(client, "/v1/overrides", "breaker", body: Self.spec, match)
            #expect(refused.status == 409)
            #expect(String(decoding: refused.data, as: UTF8.self).contains("small-steps: 40 points would move at once"))
            let uri = "/v1/overrides?breakRule=small-steps"
            try await check(client, uri, "operator", body: Self.spec, match, is: 403)
            try await check(client, uri, "breaker", body: Self.spec, match, is: 201)
        }
    }

    @Test func `a drain of all services keeps the rules of each, and a mistyped field widens nothing`() async throws {
        let rules = ", rules: {both: {services: [httpbin], clusters: {atLeast: 2}}}"
        try await withServer(rules: rules) { client, _ in
            let drain = #"{"service": "*", "drain": {"cluster": "west"}, "permanent": true, "reason": "a test"}"#
            let plan = try AdminJSON.decode(
                PlanPage.self, from: try await send(client, "/v1/plans", "viewer", body: drain).data)
            #expect(
                !plan.allowed && plan.rules.first?.says?.contains("1 clusters would take traffic") == true,
                "\(plan.rules)")
            let match = [("If-Match", "\"\(plan.etag)\"")]
            try await check(client, "/v1/overrides", "operator", body: drain, match, is: 409)
            let mistyped = drain.replacing(#""west""#, with: #""west", "zonee": "a""#)
            let answer = try await send(client, "/v1/plans", "viewer", body: mistyped)
            #expect(answer.status == 422 && String(decoding: answer.data, as: UTF8.self).contains("/drain/zonee"))
        }
    }

    @Test(arguments: ["?view=west", "?assume=west", "?assume=east/e1&rps=0"])
    func `no view and no assumption makes an override pass a rule`(query: String) async throws {
        let rules = ", rules: {small-steps: {step: 10}, both: {clusters: {atLeast: 2}}}"
        try await withServer(rules: rules) { client, _ in
            for spec in [
                Self.spec, Self.spec.replacing(#""permanent""#, with: #""views": ["east"], "permanent""#),
                Self.spec.replacing(#""west": 20"#, with: #""west": 0"#),
            ] {
                let plan = try AdminJSON.decode(
                    PlanPage.self, from: try await send(client, "/v1/plans\(query)", "viewer", body: spec).data)
                #expect(!plan.allowed, "\(spec)")
                let match = [("If-Match", "\"\(plan.etag)\"")]
                try await check(client, "/v1/overrides\(query)", "operator", body: spec, match, is: 409)
            }
        }
    }

    @Test func `two drains that begin later break a rule as they would now`() async throws {
        try await withServer(
            rules: ", rules: {both: {services: [httpbin], clusters: {atLeast: 2}}}",
            clusters: "  south: {endpoints: {file: west.yaml}, gateways: [\"127.0.0.8:15443\"]}\n"
        ) { client, _ in
            let start = (Date() + 600).ISO8601Format()
            func drain(_ cluster: String) -> String {
                """
                {"service": "httpbin", "drain": {"cluster": "\(cluster)"}, "start": "\(start)", "permanent": true,
                 "reason": "a test"}
                """
            }
            func create(_ cluster: String) async throws -> Int {
                let plan = try AdminJSON.decode(
                    PlanPage.self, from: try await send(client, "/v1/plans", "operator", body: drain(cluster)).data)
                let match = [("If-Match", "\"\(plan.etag)\"")]
                return try await send(client, "/v1/overrides", "operator", body: drain(cluster), match).status
            }
            let (first, second) = (try await create("west"), try await create("south"))
            #expect(first == 201 && second == 409)
        }
    }

    @Test func `a request with a key can be repeated, and creates one override`() async throws {
        try await withServer(writes: 2) { client, _ in
            let match = [("If-Match", try await etag(client, "operator")), ("Idempotency-Key", "k1")]
            let first = try await send(client, "/v1/overrides", "operator", body: Self.spec, match)
            let again = try await send(client, "/v1/overrides", "operator", body: Self.spec, match)
            #expect(first.status == 201 && again.status == 201)
            let ids = try [first, again].map { try AdminJSON.decode(OverridePage.self, from: $0.data).override.id }
            #expect(ids[0] == ids[1])
            let other = Self.spec.replacing("20", with: "30")
            try await check(client, "/v1/overrides", "operator", body: other, match, is: 422)
            let pages = try AdminJSON.decode(
                OverridesPage.self, from: try await send(client, "/v1/overrides", "viewer").data)
            #expect(pages.overrides.count == 1)
        }
    }

    @Test func `a caller makes only so many changes in a minute, and is told how long to wait`() async throws {
        try await withServer(writes: 2) { client, _ in
            // What fails doesn't count.
            for _ in 0..<3 {
                try await check(client, "/v1/overrides", "operator", body: Self.spec, [("If-Match", "\"x\"")], is: 412)
            }
            for status in [201, 201, 429] {
                let match = [("If-Match", try await etag(client, "operator"))]
                try await check(client, "/v1/overrides", "operator", body: Self.spec, match, is: status)
            }
            let match = [("If-Match", try await etag(client, "breaker"))]
            try await check(client, "/v1/overrides", "breaker", body: Self.spec, match, is: 201)
            try await check(client, "/v1/plans", "operator", body: Self.spec, is: 200)
        }
    }

    @Test func `pages of other sites change nothing, and this server's own may`() async throws {
        try await withServer { client, _ in
            for (name, value) in [
                ("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Site", "same-site"),
            ] {
                try await check(client, "/v1/plans", "viewer", body: Self.spec, [(name, value)], is: 403)
            }
            let own = [("Origin", "http://localhost"), ("Sec-Fetch-Site", "same-origin")]
            try await check(client, "/v1/plans", "viewer", body: Self.spec, own, is: 200)
            try await check(client, "/v1/overview", "viewer", [("Sec-Fetch-Site", "cross-site")], is: 200)
        }
    }

    @Test func `the description of the API is the one in docs, and each kind of error is explained`() async throws {
        try await withServer { client, _ in
            let data = try await send(client, "/openapi.json", "viewer").data
            let text = String(decoding: data, as: UTF8.self).replacing(#""version" : "1""#, with: #""version" : "0""#)
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
                path: "../../docs/reference/openapi.json"
            ).standardized
            if ProcessInfo.processInfo.environment["BALLAST_RECORD"] != nil {
                try text.write(to: file, atomically: true, encoding: .utf8)
            }
            #expect(text == (try String(contentsOf: file, encoding: .utf8)))
            for type in ProblemType.allCases {
                try await check(client, "/problems/\(type.rawValue)", "viewer", is: 200)
            }
        }
    }
}
