@testable import Admin
import AdminAPI
import Balancing
import ControlPlane
import EnvoyAPI
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Model
import NIOCore
import Overrides
import Serving
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

/// The pages of the admin API, in process, as the files in `Golden` have them.
///
/// After a wanted change, run them once with `BALLAST_RECORD=1` and read the difference.
@Suite struct PageTests {
    private static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    /// What differs from run to run, replaced: times, ports of clients, versions.
    private static func stable(_ text: String) -> String {
        text.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, with: "2026-01-01T00:00:00Z")
            .replacing(/127\.0\.0\.1:\d+/, with: "127.0.0.1:1")
            .replacing(/"[0-9a-f]{16}"/, with: "\"0123456789abcdef\"")
            .replacing(/\/[^" ]*\/(east|west)\.yaml/) { "/etc/ballast/\($0.1).yaml" }
    }

    /// Asks for a page, and compares it with its file.
    private func check(
        _ client: some TestClientProtocol, _ name: String, _ uri: String, method: HTTPRequest.Method = .get,
        headers: HTTPFields = [:], status: HTTPResponse.Status = .ok
    ) async throws -> Data {
        try await client.execute(uri: uri, method: method, headers: headers) { response in
            #expect(response.status == status, "\(name)")
            let text = String(buffer: response.body)
            let file = Self.golden.appending(path: "\(name).json")
            if ProcessInfo.processInfo.environment["BALLAST_RECORD"] != nil {
                try Data(Self.stable(text).utf8).write(to: file)
            }
            #expect(Self.stable(text) == (try String(contentsOf: file, encoding: .utf8)), "\(name)")
            return Data(text.utf8)
        }
    }

    /// Decodes a page as a client of the API would, and encodes it again: nothing of it may be lost.
    private func checkContract<Page: Codable>(_ type: Page.Type, _ data: Data) throws {
        let page = try AdminJSON.decode(type, from: data)
        #expect(try AdminJSON.encode(page) == data)
    }

    @Test func `each page is as documented, and its type reads all of it`() async throws {
        try await withTemporaryDirectory { directory in
            let configuration = try RunningControlPlane.configuration
                .replacingOnce("guard: off", with: "guard: on")
                .replacingOnce("  other: {}", with: "  other: {weights: {west: 2}, balance: local-first}")
            try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
                // West's pods go at once, and are held.
                try plane.write(RunningControlPlane.endpoints([]), to: "west.yaml")
                try await eventually("west's pods are held") { await plane.controlPlane.status.holds.count == 1 }
                let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                let server = AdminServer(
                    plane.controlPlane, host: "127.0.0.1", port: 0, metrics: PrometheusMetrics(help: [:]),
                    logger: quiet)
                try await Application(router: server.router(), logger: quiet).test(.router) { client in
                    try checkContract(HealthPage.self, await check(client, "healthz", "/healthz"))
                    try checkContract(ReadinessPage.self, await check(client, "readyz", "/readyz"))
                    try checkContract(ServicesPage.self, await check(client, "services", "/v1/services"))
                    _ = try await check(client, "services-plain", "/v1/services?view=west&audience=plain")
                    try checkContract(
                        ServiceDetailPage.self, await check(client, "service", "/v1/services/httpbin"))
                    try checkContract(
                        ServiceDetailPage.self, await check(client, "service-weights", "/v1/services/other"))
                    try await plane.withChannel { channel in
                        let method = try #require(Method.endpointMethods.first { $0.variant == .delta })
                        let xds = await XDSClient(channel, method)
                        await xds.subscribe(["httpbin", "none"], node: Node(id: "n", cluster: "c", userAgent: "envoy"))
                        let response = try await xds.response()
                        await xds.reject(response, names: [], "not good")
                        try await eventually("the NACK has come") {
                            let streams = await plane.controlPlane.clients()
                            return streams.contains {
                                $0.subscriptions(listing: 1).contains { $0.subscription.rejection != nil }
                            }
                        }
                        try checkContract(ClientsPage.self, await check(client, "clients", "/v1/clients?node=n"))
                    }
                    _ = try await check(
                        client, "error-view", "/v1/services?view=north", status: .notFound)
                    _ = try await check(
                        client, "error-audience", "/v1/services?audience=all", status: .badRequest)
                    _ = try await check(client, "error-service", "/v1/services/none", status: .notFound)
                    _ = try await check(
                        client, "error-origin", "/v1/services/httpbin/release", method: .post,
                        headers: [.origin: "http://example.com"], status: .forbidden)
                    try checkContract(
                        ReleasePage.self,
                        await check(client, "release", "/v1/services/httpbin/release", method: .post))
                    _ = try await check(
                        client, "error-release", "/v1/services/httpbin/release", method: .post, status: .notFound)
                }
            }
        }
    }

    /// Posts a body, and compares the answer with its file.
    private func post(
        _ client: some TestClientProtocol, _ name: String, _ uri: String, _ body: String, match: String? = nil,
        type: String = "application/json", origin: String? = nil, status: HTTPResponse.Status
    ) async throws -> Data {
        var headers: HTTPFields = [.contentType: type]
        headers[.ifMatch] = match.map { "\"\($0)\"" }
        headers[.origin] = origin
        return try await client.execute(
            uri: uri, method: .post, headers: headers, body: ByteBuffer(string: body)
        ) { response in
            #expect(response.status == status, "\(name)")
            let text = Self.stable(String(buffer: response.body))
                .replacing(/"id" : "[0-9a-z]{4}"/, with: "\"id\" : \"k7m2\"")
                .replacing(/"1-[0-9a-z]{4}"/, with: "\"1-k7m2\"")
                .replacing(/override [0-9a-z]{4}\b/, with: "override k7m2")
                .replacing(#/"(?!west|east)[0-9a-z]{4} is /#, with: "\"k7m2 is ")
                .replacing(/"[0-9a-f]{15,16}"/, with: "\"0123456789abcdef\"")
            let file = Self.golden.appending(path: "\(name).json")
            if ProcessInfo.processInfo.environment["BALLAST_RECORD"] != nil {
                try Data(text.utf8).write(to: file)
            }
            #expect(text == (try String(contentsOf: file, encoding: .utf8)), "\(name)")
            return Data(String(buffer: response.body).utf8)
        }
    }

    @Test func `a plan, the override that it describes, its transitions, and every error`() async throws {
        try await withTemporaryDirectory { directory in
            let configuration = RunningControlPlane.configuration + "\noverrides: {store: memory}\n"
            try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
                let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                let server = AdminServer(
                    plane.controlPlane, host: "127.0.0.1", port: 0, metrics: PrometheusMetrics(help: [:]),
                    logger: quiet)
                try await Application(router: server.router(), logger: quiet).test(.router) { client in
                    let tomorrow = (Date() + 86_400).ISO8601Format()
                    let until = "\"until\": \"\(tomorrow)\", \"reason\": \"a test\""
                    let spec = "{\"service\": \"httpbin\", \"shares\": {\"west\": 20}, \(until)}"
                    let data = try await post(client, "plan", "/v1/plans", spec, status: .ok)
                    try checkContract(PlanPage.self, data)
                    let plan = try AdminJSON.decode(PlanPage.self, from: data)

                    _ = try await post(
                        client, "problem-unconditional", "/v1/overrides", spec, status: .preconditionRequired)
                    _ = try await post(
                        client, "problem-outdated", "/v1/overrides", spec, match: "other", status: .preconditionFailed)
                    _ = try await post(
                        client, "problem-origin", "/v1/plans", spec, origin: "http://example.com", status: .forbidden)
                    _ = try await post(
                        client, "problem-type", "/v1/plans", spec, type: "text/plain", status: .unsupportedMediaType)
                    for (name, body) in [
                        ("json", "{"), ("missing", "{\"service\": \"httpbin\"}"),
                        ("kind", "{\"service\": 1, \"reason\": \"a test\"}"),
                        ("fields", "{\"service\": \"htpbin\", \"shares\": {\"mars\": 120}, \"reason\": \"x\"}"),
                    ] {
                        _ = try await post(
                            client, "problem-\(name)", "/v1/plans", body, status: .unprocessableContent)
                    }
                    let both = "{\"service\": \"*\", \"drain\": {\"cluster\": \"west\"}, \(until)}"
                    _ = try await post(client, "plan-drain", "/v1/plans", both, status: .ok)

                    let created = try await post(
                        client, "override-created", "/v1/overrides", spec, match: plan.etag, status: .created)
                    try checkContract(OverridePage.self, created)
                    let id = try AdminJSON.decode(OverridePage.self, from: created).override.id
                    // The same plan again is outdated: there is an override now.
                    _ = try await post(
                        client, "problem-again", "/v1/overrides", spec, match: plan.etag, status: .preconditionFailed)
                    try await eventually("it is served") {
                        await plane.controlPlane.service("httpbin", of: ClientView(cluster: "east", kind: .lanes))?
                            .assignment.shares.map(\.share) == [0.8, 0.2]
                    }
                    _ = try await post(
                        client, "problem-phase", "/v1/overrides/\(id)/transitions", "{\"type\": \"Resume\"}",
                        status: .conflict)
                    _ = try await post(
                        client, "problem-unknown", "/v1/overrides/none/transitions", "{\"type\": \"Revert\"}",
                        status: .notFound)
                    try checkContract(
                        OverridePage.self,
                        await post(
                            client, "override-reverted", "/v1/overrides/\(id)/transitions", "{\"type\": \"Revert\"}",
                            status: .created))
                    try await eventually("it is gone") {
                        await plane.controlPlane.service("httpbin", of: ClientView(cluster: "east", kind: .lanes))?
                            .assignment.shares.map(\.share) == [0.4, 0.6]
                    }
                    // A drain of the last healthy pods.
                    try plane.write(RunningControlPlane.endpoints([]), to: "east.yaml")
                    try await eventually("only west has pods") {
                        await plane.controlPlane.service("httpbin", of: ClientView(cluster: "east", kind: .lanes))?
                            .assignment.shares.map(\.share) == [0, 1]
                    }
                    let last = both.replacing("*", with: "httpbin")
                    _ = try await post(client, "problem-empty", "/v1/plans", last, status: .conflict)
                    let zero = spec.replacing(": 20}", with: ": 0}")
                    _ = try await post(client, "problem-empty-share", "/v1/plans", zero, status: .conflict)
                }
            }
        }
    }

    /// Of two operators who saw the same plan, one succeeds.
    @Test func `of writers that saw the same plan exactly one succeeds`() async throws {
        try await withTemporaryDirectory { directory in
            let configuration = RunningControlPlane.configuration + "\noverrides: {store: memory}\n"
            try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
                let controller = plane.controlPlane.overrides
                for round in 0..<1_000 {
                    let revision = await controller.state.revision
                    let created = await withTaskGroup(of: Override?.self) { group in
                        for writer in ["anna", "ben"] {
                            group.addTask {
                                var spec = OverrideSpec(service: "httpbin", reason: "race \(round)")
                                spec.shares = ["west": 20]
                                spec.permanent = true
                                return try? await controller.create(spec, by: writer, ifRevision: revision)
                            }
                        }
                        return await group.reduce(into: [Override]()) { if let one = $1 { $0.append(one) } }
                    }
                    #expect(created.count == 1)
                    for one in created {
                        _ = try await controller.append(.revert, to: one.id, by: "anna", reason: "")
                    }
                }
            }
        }
    }

    /// Without a token, a request has to name this machine, and not a name that DNS could point here.
    @Test(arguments: [
        ("localhost", true), ("localhost:18080", true), ("a.localhost", true), ("127.0.0.1:18080", true),
        ("[::1]:18080", true), ("::1", true), ("10.0.0.1", true), ("example.com", false),
        ("localhost.example.com", false), ("127.0.0.1.example.com", false), ("a@localhost", false), ("", false),
        ("ballast.example.org:18080", true),
    ]) func `a request has to name an address, localhost or a name of the configuration`(
        _ host: String, _ isKnown: Bool
    ) {
        #expect(BrowserRules(hosts: ["ballast.example.org"], allowsEveryHost: false).isKnown(host) == isKnown)
    }

    @Test(arguments: [
        ("Bearer secret", 200), ("bearer secret", 401), ("Bearer secret2", 401), ("Bearer ", 401), (nil, 401),
        ("Basic secret", 401),
    ]) func `with a token file every request but those for health needs the token`(_ value: String?, _ status: Int)
        async throws
    {
        try await withTemporaryDirectory { directory in
            try "secret\n".write(toFile: "\(directory)/token", atomically: true, encoding: .utf8)
            try await RunningControlPlane.run(in: directory) { plane in
                let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                let server = AdminServer(
                    plane.controlPlane, host: "127.0.0.1", port: 0,
                    settings: AdminSettings(tokenFile: "\(directory)/token"),
                    metrics: PrometheusMetrics(help: [:]), logger: quiet)
                let headers: HTTPFields = value.map { [.authorization: $0] } ?? [:]
                try await Application(router: server.router(), logger: quiet).test(.router) { client in
                    // The stream of events has no end.
                    for route in AdminRoute.allCases where route != .events || status != 200 {
                        let isHealth = [.health, .readiness].contains(route)
                        let isPost = [.release, .plans, .configurationPlans, .transitions].contains(route)
                        let method: HTTPRequest.Method = isPost ? .post : .get
                        // Nothing is held, there is no override, and a plan needs a body.
                        let allowed =
                            switch route {
                            case .release, .override, .problem, .client, .resource: 404
                            case .plans, .configurationPlans, .transitions: 415
                            default: 200
                            }
                        try await client.execute(
                            uri: route.path(name: "httpbin", resource: ("eds", "httpbin")), method: method,
                            headers: headers
                        ) { response in
                            #expect(
                                response.status.code == (isHealth ? 200 : status == 200 ? allowed : status), "\(route)")
                        }
                    }
                }
            }
        }
    }
}
