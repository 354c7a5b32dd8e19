import AdminAPI
import Foundation
import Model
import Overrides
import TestBench
import Testing
import TestSupport

private let east = ["e1", "e2"]
private let west = ["w1", "w2", "w3"]

extension EnvoyTests {
    /// Overrides on real Envoys, by the command line.
    @Suite(.serialized) struct OverrideTests {
        /// Calls a command of `ballast` with the bench's admin API.
        private func ballast(_ bench: Bench, _ arguments: String...) throws -> String {
            try run(
                tools.ballast, arguments + ["--admin", "http://\(bench.host):\(Bench.adminPort)"],
                directory: bench.directory)
        }

        /// The first look as JSON, whatever the exit status.
        private func status(_ bench: Bench) throws -> String {
            try run(
                "bash",
                ["-c", "\(tools.ballast) status -o json --admin http://\(bench.host):\(Bench.adminPort) || true"],
                directory: bench.directory)
        }

        private func open(_ stage: Stage, _ plan: Plan) async throws {
            try await stage.open(plan, east: east, west: west)
            await stage.bench.stop("ballast")
            try stage.bench.write(
                plan.configuration(stage.bench, .http2) + "overrides: {store: memory}\n", to: "ballast.yaml")
            try await stage.bench.startBallast()
            try await stage.wait(plan)
        }

        @Test(arguments: [Plan.Reach.gateway, .lanes, .pods, .connect])
        func `a drain and its end under load fail no request and open no connection`(_ reach: Plan.Reach) async throws {
            try await withStage { stage in
                let bench = stage.bench
                try await open(stage, Plan(reach))
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    try await eventually("all connections are open") { load.result.requests > 1_000 }
                    let before = try await bench.handshakeCount(west)
                    _ = try ballast(bench, "drain", "cluster", "west", "--for", "10m", "--reason", "a test", "--yes")
                    try await eventually("west gets nothing") {
                        let start = load.result
                        try await eventually("requests") { load.result.requests > start.requests + 100 }
                        return !(load.result - start).byPod.keys.contains { $0.hasPrefix("w") }
                    }
                    _ = try ballast(bench, "undo")
                    try await eventually("west is back") {
                        let start = load.result
                        try await eventually("requests") { load.result.requests > start.requests + 200 }
                        let west = (load.result - start).byPod.filter { $0.key.hasPrefix("w") }
                        return west.values.reduce(0, +) > 80
                    }
                    #expect(try await bench.handshakeCount(west) == before)
                }
                #expect(result.failed == 0)
            }
        }

        @Test(.newestEnvoyOnly) func `a ramp under load fails no request, and each step is what clients do`()
            async throws
        {
            try await withStage { stage in
                let bench = stage.bench
                try await open(stage, Plan(.pods))
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    let plan = try ballast(
                        bench, "weights", "set", "httpbin", "west=20%", "--over", "32s", "--steps", "4", "--for", "10m",
                        "--reason", "a test", "--yes")
                    #expect(plan.contains("Steps      west: 50 40 30 20 %"), "\(plan)")
                    for share in [50.0, 40, 30, 20] {
                        try await eventually("west gets \(share) %") {
                            let start = load.result
                            try await eventually("requests") { load.result.requests > start.requests + 500 }
                            let part = load.result - start
                            let west = part.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                            return abs(Double(west) / Double(part.requests) * 100 - share) < 2
                        }
                    }
                }
                #expect(result.failed == 0)
                let shown = try ballast(bench, "weights", "show", "httpbin")
                #expect(shown.contains("west     20 %") && shown.contains("Active at 100 %"), "\(shown)")
            }
        }

        @Test(.newestEnvoyOnly)
        func `a ramp that brings errors is taken back within 15 seconds, and one without goes on`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                try await open(stage, Plan(.pods))
                _ = try await Load(bench).around(pause: .milliseconds(1)) { _ in
                    // Without load reports, abort conditions are refused.
                    try await eventually("the client reports its load") {
                        let page = try AdminJSON.decode(
                            OverviewPage.self, from: Data(try status(bench).utf8))
                        return page.rps ?? 0 > 0
                    }
                    _ = try ballast(
                        bench, "weights", "set", "httpbin", "west=20%", "--over", "64s", "--steps", "4", "--for", "10m",
                        "--abort-on", "errors=1%", "--reason", "a test", "--yes")
                    func override() throws -> OverridePage {
                        let text = try ballast(bench, "overrides", "--all", "-o", "json")
                        let page = try AdminJSON.decode(OverridesPage.self, from: Data(text.utf8))
                        return try #require(page.overrides.first)
                    }
                    try await eventually("the second step") { try override().step == 2 }
                    let second = try override()
                    #expect(second.override.transitions.isEmpty, "\(second)")
                    for pod in east { try await bench.setFailing(pod, percent: 5) }
                    let failing = Date()
                    try await eventually("it was taken back") { try override().phase == .ended }
                    let revert = try #require(try override().override.transitions.last)
                    #expect(revert.by == "ballast" && revert.reason.contains("limit 1 %"), "\(revert)")
                    let seconds = revert.at.timeIntervalSince(failing)
                    #expect(seconds <= 15, "\(seconds) s: \(revert.reason)")
                    print("taken back after \(seconds) s: \(revert.reason)")
                    for pod in east { try await bench.setFailing(pod, false) }
                }
            }
        }

        @Test func `a drained gateway gets nothing new, and no request fails`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                var plan = Plan(.gateway)
                plan.gateways = [1, 2]
                try await open(stage, plan)
                let second = "\(bench.host.dropLast())2:15443"
                @Sendable func health() async throws -> String? {
                    try await bench.client.endpoints(of: "httpbin")[second]?.health
                }
                try await eventually("both gateways are used") { try await health() == "healthy" }
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    try await eventually("requests") { load.result.requests > 500 }
                    _ = try ballast(
                        bench, "drain", "gateway", "west/\(second)", "--for", "10m", "--reason", "a test", "--yes")
                    try await eventually("it is draining") { try await health() == "draining" }
                    let handshakes = try await bench.handshakeCount(west)
                    try await eventually("west keeps its share through the other gateway") {
                        let start = load.result
                        try await eventually("requests") { load.result.requests > start.requests + 500 }
                        let part = load.result - start
                        let west = part.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                        return abs(Double(west) / Double(part.requests) - 0.6) < 0.02
                    }
                    _ = try ballast(bench, "undo")
                    try await eventually("it is back") { try await health() == "healthy" }
                    #expect(try await bench.handshakeCount(west) == handshakes, "its connections stayed")
                }
                #expect(result.failed == 0)
            }
        }

        @Test(.newestEnvoyOnly) func `events tell of an override as it happens, and again to a client that comes back`()
            async throws
        {
            try await withBench { bench in
                try bench.write(
                    bench.template("ballast.yaml") + "overrides: {store: memory}\n", to: "ballast.yaml")
                for cluster in ["east", "west"] {
                    try bench.publish([bench.pod("\(cluster.prefix(1))1")], in: cluster)
                }
                try await bench.startBallast()
                let url = "http://\(bench.host):\(Bench.adminPort)/v1/events"
                func listen(_ name: String, _ arguments: [String] = []) throws -> ManagedProcess {
                    try ManagedProcess(
                        name, "curl", ["-sN"] + arguments + [url], directory: bench.directory,
                        logPath: "\(bench.directory)/\(name).log")
                }
                let first = try listen("first")
                try await eventually("it is told to load everything") { first.log.contains("event: hello") }
                _ = try ballast(bench, "drain", "cluster", "west", "--for", "10m", "--reason", "a test", "--yes")
                try await eventually("the override is told") {
                    first.log.contains("event: override") && first.log.contains("created by admin: drain west: a test")
                        && first.log.contains("event: shares")
                }
                let log = first.log
                await first.stop()
                // The ID of `hello` is that of the last event before the override.
                let id = try #require(log.firstMatch(of: /event: hello\nid: (\S+)/)?.1)
                let second = try listen("second", ["-H", "Last-Event-ID: \(id)"])
                try await eventually("what it missed is told") { second.log.contains("event: override") }
                #expect(!second.log.contains("hello"))
                await second.stop()
            }
        }

        @Test(.newestEnvoyOnly) func `trim suggests multipliers from what pods report, and applies them`() async throws
        {
            try await withBench { bench in
                try bench.write(
                    bench.template("ballast.yaml").replacing(
                        "cluster: east   ", with: "overrides: {store: memory}\ncluster: east   "),
                    to: "ballast.yaml")
                try await bench.startPods(east + west)
                for pod in east + west {
                    let load = pod.hasPrefix("e") ? 0.8 : 0.4
                    let header =
                        "response_headers_to_add: [{header: {key: endpoint-load-metrics, value: \"TEXT cpu_utilization=\(load)\"}}]"
                    let config = try String(contentsOfFile: "\(bench.directory)/\(pod).envoy.yaml", encoding: .utf8)
                        .replacingOnce("domains: [\"*\"]\n", with: "domains: [\"*\"]\n              \(header)\n")
                    await bench.stop(pod)
                    let admin = EnvoyAdmin(host: try bench.pod(pod).address.host.description, port: 9901)
                    try await bench.startEnvoy(pod, config, admin, concurrency: 1)
                }
                try await bench.startBallast()
                try await bench.startGateway(.allClusters)
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 1)
                var text = ""
                try await eventually("the utilisation is known") {
                    _ = try await Load.run(200, on: bench)
                    text = try ballast(bench, "trim", "httpbin")
                    return text.contains("2 clusters are off")
                }
                // The mean over requests is 0.56: east x (0.56 / 0.8) ^ 0.5 = 0.84, west x (0.56 / 0.4) ^ 0.5 = 1.18.
                #expect(
                    text.contains("east     80 %         x0.84") && text.contains("west     40 %         x1.18"),
                    "\(text)")
                _ = try ballast(bench, "trim", "httpbin", "--apply", "--yes")
                try await eventually("west gets more") {
                    let part = try await Load.run(1_000, on: bench)
                    let west = part.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                    // 3 x 1.18 of 2 x 0.84 + 3 x 1.18.
                    return abs(Double(west) / 1_000 - 0.678) < 0.01
                }
            }
        }

        @Test(.newestEnvoyOnly) func `an override survives kill -9, and its ramp goes on as if nothing had happened`()
            async throws
        {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await open(stage, plan)
                await bench.stop("ballast")
                try bench.write(plan.configuration(bench, .http2) + "state: state\n", to: "ballast.yaml")
                try await bench.startBallast()
                _ = try ballast(
                    bench, "weights", "set", "httpbin", "west=20%", "--over", "10s", "--steps", "2", "--for", "10m",
                    "--reason", "a test", "--yes")
                try bench.process("ballast").signal(SIGKILL)
                await bench.stop("ballast")
                try await bench.startBallast()
                try await eventually("the ramp is over") {
                    let page = try AdminJSON.decode(
                        OverridesPage.self, from: Data(try ballast(bench, "overrides", "-o", "json").utf8))
                    return page.overrides.first?.phase == .active
                }
                try await eventually("west gets 20 %") {
                    let part = try await Load.run(500, on: bench)
                    let west = part.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                    return part.failed == 0 && abs(west - 100) <= 2
                }
            }
        }
    }
}
