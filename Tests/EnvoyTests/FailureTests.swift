import Foundation
import Model
import Synchronization
import TestBench
import Testing
import TestSupport

private let east = ["e1", "e2"]
private let west = ["w1", "w2", "w3", "w4"]

extension EnvoyTests {
    /// What Ballast says, and does, when requests fail.
    @Suite(.serialized) struct FailureTests {
        private func page(_ bench: Bench, _ path: String) async throws -> String {
            try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, path).body
        }

        /// Opens a stage whose west has one gateway.
        @discardableResult
        private func open(_ stage: Stage, ejectsOutliers: Bool = false) async throws -> Plan {
            var plan = Plan(.pods)
            plan.gateways = [1]
            plan.ejectsOutliers = ejectsOutliers
            try await stage.open(plan, east: east, west: west)
            return plan
        }

        @Test func `an Envoy that refuses its listeners gets endpoints without them, with a note`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                try await open(stage)
                await bench.stop("client")
                let whole = try bench.wholeClientConfig()
                let extensions = try #require(whole.firstMatch(of: /bootstrap_extensions:\n(.+\n)+/))
                let config = try whole.replacingOnce(extensions.output.0, with: "")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 2)
                try await bench.waitUntilApplied(audience: .plain)
                #expect(try await bench.client.stat("listener_manager.lds.update_rejected") == 1)
                let result = try await Load.run(200, on: bench)
                #expect(result.failed == 0)
                #expect(result.byPod.keys.contains { $0.hasPrefix("w") })
                let clients = try await page(bench, "/v1/clients")
                #expect(clients.contains("since it refuses its listeners"))
                #expect(clients.contains("envoy.bootstrap.internal_listener"))
                let log = try bench.process("ballast").log
                #expect(log.contains("a client refuses its listeners"), "\(log.suffix(2_000))")
                // What changes reaches it as before.
                try bench.publish(west.dropLast().map(bench.pod), in: "west")
                try await bench.waitUntilApplied(audience: .plain)
                #expect(try await bench.client.stat("listener_manager.lds.update_rejected") == 1)
            }
        }

        @Test func `a client without lanes gets through our gateway, whether the service has an SNI or not`()
            async throws
        {
            try await withStage { stage in
                let (bench, plan) = (stage.bench, try await open(stage))
                await bench.stop("client")
                let config = plan.configuration(bench, stage.upstream)
                let sni = try #require(config.firstMatch(of: /\ +sni: .*\n/)).output
                try await stage.reload(config.replacingOnce(sni, with: ""))
                let client = try bench.wholeClientConfig().replacingOnce(", lanes: true", with: "")
                try await bench.startEnvoy("client", client, bench.client, concurrency: 2)
                try await bench.waitUntilApplied(audience: .plain)
                let result = try await Load.run(300, on: bench)
                #expect(result.failed == 0)
                #expect(result.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +) > 150)
            }
        }

        /// Envoy 1.36 reports no requests without a connection to a locality that no others were sent to.
        @Test(.enabled(if: envoyVersion == newestEnvoy))
        func `requests that fail at a gateway are a problem of the service, until they don't`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                try await open(stage)
                _ = try await Load(bench).around(pause: .milliseconds(5)) { load in
                    try await eventually("requests") { load.result.requests > 100 }
                    for gateway in ["gateway-1", "gateway-2"] { await bench.stop(gateway) }
                    try await eventually("told") {
                        try await page(bench, "/v1/services/httpbin").contains(
                            "% of the requests to it failed in the last")
                    }
                    try await eventually("a problem") {
                        try await page(bench, "/readyz").contains("of the requests to west")
                    }
                    try await eventually("logged") {
                        let log = try bench.process("ballast").log
                        return log.contains("of the requests to west")
                            && log.contains("the last gateway of west that asked this Ballast for its pods left at")
                    }
                    try await bench.startGateway(.allClusters, name: "gateway-1", at: 1)
                    try await eventually("all is well") {
                        try await !page(bench, "/readyz").contains("of the requests to west")
                    }
                    try await eventually("logged") { try bench.process("ballast").log.contains("a problem is over") }
                }
            }
        }

        /// Requests that failed of those that followed the end of the only gateway.
        private func failures(_ stage: Stage, ejectsOutliers: Bool) async throws -> LoadResult {
            let bench = stage.bench
            try await open(stage, ejectsOutliers: ejectsOutliers)
            let after = Mutex<LoadResult?>(nil)
            _ = try await Load(bench).around(pause: .milliseconds(5)) { load in
                try await eventually("requests") { load.result.requests > 300 }
                await bench.stop("gateway-1")
                let start = load.result
                try await eventually("requests after that") { load.result.requests > start.requests + 3_000 }
                after.withLock { $0 = load.result - start }
            }
            try await bench.startGateway(.allClusters, name: "gateway-1", at: 1)
            return try #require(after.withLock { $0 })
        }

        @Test(.enabled(if: envoyVersion == newestEnvoy))
        func `with the recommended outlier detection a dead gateway costs few requests`() async throws {
            try await withStage { stage in
                let without = try await failures(stage, ejectsOutliers: false)
                let with = try await failures(stage, ejectsOutliers: true)
                #expect(without.failed * 2 > without.requests)
                #expect(with.failed * 10 < with.requests)
            }
        }

        @Test(.enabled(if: envoyVersion == newestEnvoy))
        func `held pods go before their time when clients report that requests to them fail`() async throws {
            try await withStage { stage in
                let (bench, plan) = (stage.bench, try await open(stage))
                try await stage.reload(
                    plan.configuration(bench, stage.upstream).replacingOnce("guard: off", with: "guard: on"))
                _ = try await Load(bench).around(pause: .milliseconds(5)) { load in
                    try await eventually("requests") { load.result.requests > 100 }
                    try bench.publish([bench.pod("w1")], in: "west")
                    for pod in west.dropFirst() { await bench.stop(pod) }
                    try await eventually("a warning, with what to do") {
                        let log = try bench.process("ballast").log
                        return log.contains("httpbin in west: its source names 1 of 4 pods")
                            && log.contains("ballast release httpbin --cluster west")
                            && log.contains("w2, w3, w4 are served until")
                    }
                    try await eventually("let go") {
                        try bench.process("ballast").log.contains("most requests to what was held failed")
                    }
                    try await eventually("nothing is held") { try await !page(bench, "/readyz").contains("\"held\"") }
                    let start = load.result
                    try await eventually("requests go well") {
                        let since = load.result - start
                        return since.requests > 100 && since.failed * 10 < since.requests
                    }
                }
            }
        }
    }
}
