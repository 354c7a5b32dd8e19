@testable import Admin
import AdminAPI
import ControlPlane
import NIOFoundationEssentialsCompat
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Overrides
import TestBench
import Testing
import TestSupport

/// The pages that show and explain.
@Suite struct InsightTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func withServer(
        _ body: @Sendable (any TestClientProtocol, RunningControlPlane) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let configuration = RunningControlPlane.configuration + "\nstate: \(directory)/state\n"
            try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
                let server = AdminServer(
                    plane.controlPlane, host: "127.0.0.1", port: 0, version: "1",
                    metrics: PrometheusMetrics(help: [:]), logger: Self.quiet)
                try await Application(router: server.router(), logger: Self.quiet).test(.router) {
                    try await body($0, plane)
                }
            }
        }
    }

    private func get<Page: Codable>(
        _ client: any TestClientProtocol, _ type: Page.Type, _ uri: String
    ) async throws -> Page {
        try await client.execute(uri: uri, method: .get) { response in
            #expect(response.status == .ok, "\(uri): \(String(buffer: response.body))")
            let data = Data(buffer: response.body)
            let page = try AdminJSON.decode(type, from: data)
            // Nothing of it is lost to a client of the API.
            #expect(try AdminJSON.encode(page) == data)
            return page
        }
    }

    private func status(_ client: any TestClientProtocol, _ uri: String) async throws -> Int {
        try await client.execute(uri: uri, method: .get) { $0.status.code }
    }

    private func set(_ plane: RunningControlPlane, _ change: (inout OverrideSpec) -> Void) async throws -> Override {
        var spec = OverrideSpec(service: "httpbin", reason: "a test")
        spec.permanent = true
        change(&spec)
        let controller = plane.controlPlane.overrides
        return try await controller.create(spec, by: "anna", ifRevision: await controller.state.revision)
    }

    @Test func `explain shows every layer with its origin, for a cluster and for a pod`() async throws {
        try await withServer { client, plane in
            let factor = try await set(plane) {
                $0.multiplier = OverrideSpec.Multiplier(target: OverrideSpec.Target(cluster: "west"), by: "0.5")
            }
            let shares = try await set(plane) { $0.shares = ["west": 20] }
            let page = try await get(client, ExplainPage.self, "/v1/services/httpbin/explain?cluster=west")
            let part = try #require(page.clusters.first)
            #expect(page.clusters.count == 1 && abs(part.share - 0.2) < 1e-6)
            #expect(part.layers.map(\.name) == ["source", "multipliers", "shares", "view"])
            #expect(
                part.layers[1].origin == "override \(factor.id)" && part.layers[2].origin == "override \(shares.id)")
            #expect(part.layers[2].effect == "set to 20 %")
            #expect(page.client == "an Envoy sends it 20 %: priority 0 100 %, no panic")
            #expect(page.overrides.count == 2)
            let pod = try await get(client, ExplainPage.self, "/v1/services/httpbin/explain?cluster=west&pod=w1")
            let first = try #require(pod.clusters.first)
            #expect(first.pod == "w1" && first.layers[0].origin?.contains("west.yaml:") == true, "\(first)")
            for uri in ["?cluster=mars", "?cluster=west&pod=w9", "?view=mars"] {
                #expect(try await status(client, "/v1/services/httpbin/explain\(uri)") == 404)
            }
            for uri in ["?pod=w1", "?at=yesterday"] {
                #expect(try await status(client, "/v1/services/httpbin/explain\(uri)") == 400)
            }
        }
    }

    @Test func `history tells causes, and explain tells what was served before`() async throws {
        try await withServer { client, plane in
            try await eventually("the start is in the log book") {
                try await get(client, HistoryPage.self, "/v1/history?service=httpbin").entries.contains {
                    $0.kind == "change"
                }
            }
            let before = Date()
            while Date() < before + 0.005 { await Task.yield() }
            let override = try await set(plane) { $0.shares = ["west": 20] }
            try await eventually("the override's effect is in the log book") {
                try await get(client, HistoryPage.self, "/v1/history?service=httpbin").entries.contains {
                    $0.causes == ["override \(override.id)"] && $0.says == "east 80 %, west 20 %"
                }
            }
            let entries = try await get(client, HistoryPage.self, "/v1/history?limit=1")
            #expect(entries.entries.count == 1)
            let next = try #require(entries.continue)
            let second = try await get(client, HistoryPage.self, "/v1/history?limit=1&continue=\(next)")
            #expect((second.entries.first?.number ?? .max) < entries.entries[0].number)
            let then = try await get(
                client, ExplainPage.self,
                "/v1/services/httpbin/explain?cluster=west&at=\(before.ISO8601Format(.init(includingFractionalSeconds: true)))"
            )
            #expect(then.clusters.first.map { abs($0.share - 0.6) < 1e-6 } == true && then.overrides.isEmpty)
            #expect(then.causes == ["start"])
            let source = then.clusters.first?.layers.first { $0.name == "source" }
            #expect(source?.origin?.contains("west.yaml") == true, "\(then.clusters)")
            let long = "/v1/services/httpbin/explain?at=2020-01-01T00:00:00Z"
            #expect(try await status(client, long) == 404)
        }
    }

    @Test func `the first look, checks, series and trim are there without any client`() async throws {
        try await withServer { client, plane in
            let overview = try await get(client, OverviewPage.self, "/v1/overview")
            #expect(overview.ready && overview.serviceCount == 3 && overview.services.count == 3)
            #expect(overview.services[0].clusters.map(\.intended) == [40, 60])
            let checks = try await get(client, ChecksPage.self, "/v1/checks")
            #expect(checks.checks.contains { $0.code == .oneGateway }, "\(checks)")
            #expect(try await get(client, SeriesPage.self, "/v1/services/httpbin/series").points.isEmpty)
            let trim = try await get(client, TrimPage.self, "/v1/services/httpbin/trim")
            #expect(trim.suggestions.isEmpty && trim.says.contains("no pod reports its utilisation"))
            let first = try await get(client, ServicesPage.self, "/v1/services?limit=1")
            #expect(first.services.map(\.name) == ["httpbin"] && first.continue == "httpbin")
            let rest = try await get(client, ServicesPage.self, "/v1/services?limit=1&continue=httpbin")
            #expect(rest.services.map(\.name) == ["other"] && rest.continue == "other")
            #expect(try await status(client, "/v1/services?limit=0") == 400)
        }
    }

    @Test func `conditions say what keeps an override from its full effect`() async throws {
        try await withServer { client, plane in
            let older = try await set(plane) { $0.shares = ["west": 70] }
            let newer = try await set(plane) {
                $0.shares = ["west": 20]
                $0.ramp = OverrideSpec.Ramp(over: "10s", steps: 1)
            }
            _ = try await set(plane) { $0.drain = OverrideSpec.Target(cluster: "east") }
            let limited = try await set(plane) { $0.drain = OverrideSpec.Target(cluster: "west") }
            let pages = try await get(client, OverridesPage.self, "/v1/overrides").overrides
            let conditions = Dictionary(pages.map { ($0.override.id, $0.conditions) }, uniquingKeysWith: { $1 })
            #expect(
                conditions[older.id]?.contains { $0.type == .superseded } == false,
                "a ramp that has not begun supersedes nothing")
            #expect(conditions[newer.id]?.contains { $0.type == .noData } == true)
            #expect(conditions[limited.id]?.map(\.type) == [.limited])
            let newest = try await set(plane) { $0.shares = ["west": 30] }
            let page = try await get(client, OverridePage.self, "/v1/overrides/\(older.id)")
            #expect(page.conditions.first?.says == "the shares of override \(newest.id) count instead")
        }
    }

    @Test(arguments: [
        "/v1/history?since=2026-02-31T00:00:00Z", "/v1/history?since=yesterday",
        "/v1/services/httpbin/explain?at=2026-13-01T00:00:00Z", "/v1/services/httpbin/series?step=0x10",
        "/v1/services/httpbin/series?step=inf",
    ])
    func `a parameter that is no time or number is refused`(uri: String) async throws {
        try await withServer { client, _ in
            let status = try await status(client, uri)
            #expect(status == 400)
        }
    }

    @Test func `another method is refused with those that there are`() async throws {
        try await withServer { client, _ in
            for (uri, method, allowed) in [
                ("/v1/services", HTTPRequest.Method.post, "GET"), ("/v1/plans", .get, "POST"),
                ("/v1/overrides", .delete, "GET, POST"), ("/readyz", .put, "GET, HEAD"),
            ] {
                try await client.execute(uri: uri, method: method) { response in
                    #expect(response.status == .methodNotAllowed && response.headers[.allow] == allowed)
                }
            }
        }
    }

    @Test func `a changed configuration is planned by what it would serve`() async throws {
        try await withServer { client, plane in
            let now = RunningControlPlane.configuration
            func plan(_ text: String, status: Int = 200) async throws -> ConfigurationPlanPage? {
                try await client.execute(
                    uri: "/v1/plans/configuration", method: .post, headers: [.contentType: "application/yaml"],
                    body: ByteBuffer(string: text)
                ) { response in
                    #expect(response.status.code == status, "\(String(buffer: response.body))")
                    return try? AdminJSON.decode(ConfigurationPlanPage.self, from: Data(buffer: response.body))
                }
            }
            let same = try #require(try await plan(now))
            #expect(same.services.isEmpty && same.same == 3, "\(same)")
            let text = try now.replacingOnce("||httpbin\"]}", with: "||httpbin\"], shares: {west: 20%}}")
            let changed = try #require(try await plan(text))
            #expect(
                changed.services.map(\.service) == ["httpbin"] && changed.services[0].clusters.map(\.after) == [80, 20])
            _ = try await plan("cluster: [", status: 422)
            // Nothing of it is in force.
            #expect(
                try await get(client, OverviewPage.self, "/v1/overview").services[0].clusters.map(\.intended) == [
                    40, 60,
                ])
        }
    }
}
