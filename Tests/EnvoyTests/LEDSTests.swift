import EnvoyAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    @Suite(.serialized) struct LEDSTests {
        @Test(
            .enabled(if: envoyVersion >= .firstWithStableCollections), arguments: [Plan.Reach.pods, .lanes, .connect])
        func `endpoints are taken one by one, and no change fails a request`(reach: Plan.Reach) async throws {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(reach)
                try await stage.open(plan, east: ["e1", "e2"], west: ["w1", "w2"])
                try await restartClient(bench, metadata: "cluster: east, lanes: true, leds: true")
                try await stage.wait(plan)
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for west in [["w1", "w2", "w3"], ["w3", "w4"], ["w1", "w2", "w3", "w4", "w5", "w6"], ["w1"]] {
                        try await stage.scale("west", to: west, plan)
                        let start = load.result
                        try await eventually("requests to each of \(west)") {
                            let counts = (load.result - start).byPod
                            // A lane stays with the pod that the gateway picked for it, even if that is no longer listed.
                            guard reach != .lanes else { return counts.keys.contains { $0.hasPrefix("w") } }
                            return west.allSatisfy { counts[$0] != nil }
                        }
                    }
                    // Drained, with another weight, and with another share for the whole cluster.
                    var (drained, heavy) = (try bench.pod("w2"), try bench.pod("w1"))
                    drained.health = .draining
                    heavy.weight = Weight(5) ?? .one
                    try bench.publish([heavy, drained, bench.pod("w3")], in: "west")
                    try await stage.wait(plan)
                    var westIsHeavy = plan
                    westIsHeavy.westMultiplier = "3"
                    try await stage.reload(westIsHeavy)
                    try await stage.wait(plan)
                    // An Envoy cluster that changes is made anew, and needs its endpoints again.
                    var random = plan
                    random.policy = .random
                    try await stage.reload(random)
                    try await eventually("the cluster is another one") {
                        try await bench.client.page("/config_dump?resource=dynamic_active_clusters").contains("RANDOM")
                    }
                    try await stage.scale("west", to: ["w4", "w5"], plan)
                    let start = load.result
                    try await eventually("requests") { load.result.requests > start.requests + 300 }
                }
                let log = try bench.process("client").log
                #expect(result.failed == 0, "of \(result.requests)")
                #expect(log.contains("leds"), "Envoy says that it uses them")
                #expect(try await bench.client.stat("cluster.httpbin.update_rejected") == 0)
                let clients = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients").body
                #expect(clients.contains("envoy.config.endpoint.v3.LbEndpoint"))
            }
        }

        @Test(.enabled(if: envoyVersion < .firstWithStableCollections))
        func
            `an Envoy that collections would end gets assignments, whatever it asks for, and no change fails a request`()
            async throws
        {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await stage.open(plan, east: ["e1", "e2"], west: ["w1", "w2"])
                try await restartClient(bench, metadata: "cluster: east, lanes: true, leds: true")
                try await stage.wait(plan)
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for west in [["w1"], ["w1", "w2"], ["w2"], ["w2", "w3"]] {
                        try await stage.scale("west", to: west, plan)
                        var heavy = try bench.pod("e1")
                        heavy.weight = Weight(west.count + 1) ?? .one
                        try bench.publish([heavy, bench.pod("e2")], in: "east")
                        try await stage.wait(plan)
                        let start = load.result
                        try await eventually("requests") { load.result.requests > start.requests + 100 }
                    }
                }
                #expect(result.failed == 0, "of \(result.requests)")
                #expect(try bench.process("client").isRunning)
                let clients = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients").body
                #expect(clients.contains("gets whole assignments although it asks for LEDS"))
            }
        }

        @Test(.enabled(if: envoyVersion >= .firstWithStableCollections))
        func `a client that can't use collections gets assignments, though collections are the default`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await stage.open(plan, east: ["e1"], west: ["w1", "w2"])
                let settings = plan.configuration(bench, stage.upstream)
                await bench.stop("ballast")
                let xds = try #require(settings.split(separator: "\n").first { $0.hasPrefix("xds:") })
                try bench.write(
                    settings.replacingOnce(xds, with: xds.replacingOnce("}", with: ", leds: true}")), to: "ballast.yaml"
                )
                try await bench.startBallast()
                func usesLEDS() async throws -> Bool {
                    try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients").body
                        .contains("LbEndpoint")
                }
                try await restartClient(bench, metadata: "cluster: east, lanes: true")
                try await stage.wait(plan)
                #expect(try await usesLEDS())
                try await restartClient(bench, metadata: "cluster: east, lanes: true", "GRPC")
                try await stage.wait(plan)
                #expect(try await !usesLEDS(), "state of the world")
                try await restartClient(bench, metadata: "cluster: east, lanes: true, leds: false")
                try await stage.wait(plan)
                #expect(try await !usesLEDS(), "it doesn't want to")
                #expect(try await Load.run(200, on: bench).failed == 0)
            }
        }
    }
}

/// Starts the client again, with this metadata in its node.
private func restartClient(_ bench: Bench, metadata: String, _ variant: String = "DELTA_GRPC") async throws {
    await bench.stop("client")
    let config = try bench.wholeClientConfig().replacingOnce("{cluster: east, lanes: true}", with: "{\(metadata)}")
        .replacingOnce("api_type: DELTA_GRPC", with: "api_type: \(variant)")
    try await bench.startEnvoy("client", config, bench.client, concurrency: 2, debugging: ["upstream"])
}
