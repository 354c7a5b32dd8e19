import AdminAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// What the protocol promises, on a real Envoy.
    @Suite(.serialized) struct ProtocolTests {
        @Test(arguments: ["ads-sotw.yaml", "ads-delta.yaml", "eds-sotw.yaml", "eds-delta.yaml"])
        func `an Envoy that asks for what doesn't exist starts at once, and gets it when it does`(file: String)
            async throws
        {
            try await withBench { bench in
                try bench.publish(["e1"].map(bench.pod), in: "east")
                try bench.publish([], in: "west")
                try await bench.startBallast()
                // Without an answer an Envoy would wait this long, and then the test be over.
                let config = try bench.template(file).replacingOnce(
                    "service_name: httpbin\n", with: "service_name: later\n"
                ).replacingOnce(
                    "resource_api_version: V3\n",
                    with: "resource_api_version: V3\n        initial_fetch_timeout: 300s\n")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 1)
                let served = try bench.template("ballast.yaml")
                    .replacingOnce("resources: [\"httpbin\"]", with: "resources: [httpbin, later]")
                try bench.write(served, to: "ballast.yaml")
                try bench.process("ballast").signal(SIGHUP)
                try await eventually("the endpoint") { try await bench.client.weights(of: "httpbin").count == 1 }
            }
        }

        @Test(arguments: ["GRPC", "DELTA_GRPC"])
        func `an Envoy gets its routes by RDS, and a changed cluster warms at once`(variant: String) async throws {
            try await withBench { bench in
                try await bench.startPods(["e1", "e2"])
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish([], in: "west")
                try await bench.startBallast()
                let route = try #require(
                    bench.wholeClientConfig().firstMatch(of: /( +)route_config:\n(\1 +.*\n)+/))
                let rds =
                    "\(route.1)rds: {route_config_name: httpbin, config_source: {resource_api_version: V3, ads: {}}}\n"
                let config = try bench.wholeClientConfig()
                    .replacingOnce(route.0, with: rds).replacingOnce(
                        "api_type: DELTA_GRPC", with: "api_type: \(variant)")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 2)
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for connections in ["http: http2, policy: RANDOM", "http: http2, policy: MAGLEV", "http: http2"] {
                        let text = try bench.template("ballast.yaml")
                            .replacingOnce("  http: http2", with: "  \(connections.replacing(", ", with: "\n  "))")
                        let updates = try await bench.client.stat("cluster_manager.cluster_modified")
                        try bench.write(text, to: "ballast.yaml")
                        try bench.process("ballast").signal(SIGHUP)
                        try await eventually("the changed cluster is in use") {
                            let warming = try await bench.client.stat("cluster_manager.warming_clusters")
                            return try await bench.client.stat("cluster_manager.cluster_modified") > updates
                                && warming == 0
                        }
                        #expect(try await bench.client.stat("cluster.httpbin.init_fetch_timeout") == 0, "at once")
                    }
                    let start = load.result
                    try await eventually("requests") { load.result.requests > start.requests + 100 }
                }
                #expect(result.failed == 0, "of \(result.requests)")
                #expect(Set(result.byPod.keys) == ["e1", "e2"])
                #expect(try await bench.client.stat("http.http.rds.httpbin.update_success") >= 1)
            }
        }

        @Test func `reports of load show the observed share of every cluster and pod`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await stage.open(plan, east: ["e1", "e2"], west: ["w1", "w2", "w3"])
                // What was sent before Ballast asked for reports is in none.
                try await eventually("enough requests are reported") {
                    #expect(try await Load.run(500, on: bench).failed == 0)
                    let service = try await bench.services().services.first
                    return service?.intended.compactMap(\.observed?.requests).reduce(0, +) ?? 0 > 2_000
                }
                let service = try #require(try await bench.services().services.first)
                for cluster in service.intended {
                    let observed = try #require(cluster.observed)
                    #expect(abs((observed.share ?? 0) - cluster.share) < 0.01, "\(cluster)")
                    #expect(observed.errors == 0)
                    for pod in cluster.pods { #expect(abs((pod.observed?.share ?? 0) - 0.2) < 0.01, "\(pod)") }
                }
            }
        }

        @Test(arguments: ["GRPC", "DELTA_GRPC"])
        func `an Envoy that comes to another Ballast, or to a restarted one, is sent nothing again`(variant: String)
            async throws
        {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await stage.open(plan, east: ["e1", "e2"], west: ["w1", "w2", "w3"])
                await bench.stop("client")
                // Two Ballasts with one configuration; the client takes the other when the first one is gone.
                let second = "\(bench.network)2"
                try bench.write(
                    String(contentsOfFile: "\(bench.directory)/ballast.yaml", encoding: .utf8)
                        .replacingOnce("\(bench.host):\(Bench.xdsPort)", with: "\(second):\(Bench.xdsPort)")
                        .replacingOnce("\(bench.host):\(Bench.adminPort)", with: "\(second):\(Bench.adminPort)"),
                    to: "second.yaml")
                try await bench.startBallast(name: "second", config: "second.yaml", at: second)
                let endpoint = { (host: String) in
                    "{lb_endpoints: [{endpoint: {address: {socket_address: {address: \(host), port_value: \(Bench.xdsPort)}}}}]"
                }
                let config = try bench.wholeClientConfig()
                    .replacingOnce("api_type: DELTA_GRPC", with: "api_type: \(variant)")
                    .replacingOnce(
                        "[\(endpoint(bench.host))}]",
                        with: "[\(endpoint(bench.host))}, \(endpoint(second))}]"
                    )
                    // The pings of a connection to a Ballast that is gone need not be waited for.
                    .replacingOnce("type: STATIC\n", with: "type: STATIC\n    connect_timeout: 1s\n")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 2)
                try await bench.waitUntilApplied(audience: .lanes)

                let stats = {
                    var stats: [String: Int] = [:]
                    for name in [
                        "cluster_manager.cds.update_success", "cluster_manager.cluster_modified",
                        "listener_manager.lds.update_success", "cluster.httpbin.update_success",
                        "cluster.httpbin.membership_change",
                    ] { stats[name] = try await bench.client.stat(name) }
                    return stats
                }
                let reconnect = { (to: String, restart: () async throws -> Void) in
                    let before = try await stats()
                    try await restart()
                    try await eventually("the client is connected to \(to)") {
                        try await bench.isServed("my-envoy", at: to)
                    }
                    // A change after that shows that nothing is on its way any more.
                    let pods = try ["e1", "e2"].map(bench.pod)
                    try bench.publish([pods[0]], in: "east")
                    try await eventually("the change") {
                        try await bench.client.stat("cluster.httpbin.membership_total") == 4
                    }
                    var expected = before
                    for key in ["cluster.httpbin.update_success", "cluster.httpbin.membership_change"] {
                        expected[key, default: 0] += 1
                    }
                    let after = try await stats()
                    #expect(after == expected, "to \(to)")
                    try bench.publish(pods, in: "east")
                    try await eventually("the change back") {
                        try await bench.client.stat("cluster.httpbin.membership_total") == 5
                    }
                }
                let ballasts = [("ballast", "ballast.yaml", bench.host), ("second", "second.yaml", second)]
                let isAtFirst = try await bench.isServed("my-envoy", at: bench.host)
                let (served, other) = isAtFirst ? (ballasts[0], ballasts[1]) : (ballasts[1], ballasts[0])
                try await reconnect(other.2) { await bench.stop(served.0) }
                try await reconnect(other.2) {
                    await bench.stop(other.0)
                    try await bench.startBallast(name: other.0, config: other.1, at: other.2)
                }
            }
        }
    }
}
