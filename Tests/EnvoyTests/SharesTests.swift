import Balancing
import EnvoyAPI
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    @Suite(.serialized) struct SharesTests {
        @Test(arguments: Bench.UpstreamProtocol.allCases, [1, 2])
        func `each remote pod gets its share, of two workers and of one, whatever the protocol`(
            upstream: Bench.UpstreamProtocol, workers: Int
        ) async throws {
            try await withBench { bench in
                let scenes = Scene.all.filter { ["b", "c", "f", "g", "h", "i", "k2", "l2"].contains($0.title.id) }
                let played = try await Story(bench, say: { _ in }).play(
                    scenes, upstreams: [upstream], workers: [workers])
                let scene = { (id: String) in try #require(played.first { $0.id == id }) }

                // Weights alone: the share of west is right, and its new pods wait for new connections.
                let weights = try scene("b")
                let west = weights.measured.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                #expect(abs(Double(west) / Double(weights.requests) - 0.6) < 0.01)
                if upstream == .http2 { #expect(weights.measured["w2"] == 0 && weights.measured["w3"] == 0) }

                let pods = try scene("f")
                #expect(pods.deviation < 0.01, "\(pods.measured)")
                #expect(pods.requests == 6_000 && pods.failed == 0)
                // For as many requests: the workaround's were fewer.
                let workaround = try scene("c")
                let perRequest = { (scene: Report.Scene) in Double(scene.connections) / Double(scene.requests) }
                #expect(perRequest(pods) * 50 <= perRequest(workaround))

                let churn = try scene("g")
                #expect(churn.failed == 0, "\(churn.failures)")
                #expect(churn.deviation < 0.15, "\(churn.measured) of \(churn.ideal)")

                // What a killed gateway had in flight is lost: a request on each of four connections, and its first successor
                // where that was just being connected.
                #expect(try scene("h").failed <= 8)
                let killed = try scene("h")
                #expect(killed.deviation < 0.05, "\(killed.measured)")
                let failover = try scene("i")
                #expect(failover.failed == 0 && failover.deviation < 0.05, "\(failover.measured)")

                let ejected = try scene("k2")
                #expect(ejected.failed <= 30, "some requests until the fifth error in a row is noticed")
                #expect(
                    ejected.measured.filter { $0.key != "w1" }.values.allSatisfy { $0 > 200 }, "\(ejected.measured)")
                let hashed = try scene("l2")
                #expect(hashed.movedKeys == 0 && hashed.keys == 300 && hashed.measured.values.allSatisfy { $0 > 100 })
            }
        }

        @Test(arguments: [ClientSettings.Policy.leastRequest, .random])
        func `policies other than round robin come close`(policy: ClientSettings.Policy) async throws {
            try await withBench { bench in
                let id = policy == .random ? "f3" : "f2"
                let scenes = Scene.all.filter { $0.title.id == id }
                let played = try await Story(bench, say: { _ in }).play(scenes, upstreams: [.http2], workers: [2])
                #expect(played[0].deviation < 0.1, "\(played[0].measured)")
                #expect(played[0].failed == 0)
            }
        }

        @Test func `connect: exact shares through an HTTP proxy`() async throws {
            try await withBench { bench in
                let scenes = Scene.all.filter { $0.title.id == "f4" }
                let played = try await Story(bench, say: { _ in }).play(scenes, upstreams: [.http2], workers: [2])
                #expect(played[0].deviation < 0.02, "\(played[0].measured)")
                #expect(played[0].failed == 0)
                let clusters = try await bench.gateway(at: 1).clusters
                #expect(clusters.isSuperset(of: try ["w1", "w2", "w3"].map { try bench.pod($0).address.description }))
            }
        }

        @Test(arguments: gatewayKinds) func `two hundred pods behind one gateway have equal shares`(
            kind: Bench.GatewayKind
        ) async throws {
            try await withBench { bench in
                let story = Story(bench, say: { _ in })
                try await Stage.prepare(bench)
                let many = try await story.measureManyPods(200, requests: 8_080, through: kind)
                #expect(many.failed == 0)
                #expect(many.fewest >= 39 && many.most <= 41, "\(many.description)")
                #expect(many.gatewayClusters[1] - many.gatewayClusters[0] == 200)
            }
        }

        @Test func `weights, draining and unhealthy pods, and local-first have the shares that Ballast intends`()
            async throws
        {
            try await withBench { bench in
                try await bench.startAll()
                let share = { (pods: [String]) in
                    let before = try await bench.requestCounts(["e1", "e2", "w1", "w2", "w3"])
                    let load = try await Load.run(1_000, on: bench)
                    #expect(load.failed == 0)
                    let after = try await bench.requestCounts(["e1", "e2", "w1", "w2", "w3"])
                    return Double(pods.reduce(0) { $0 + (after[$1] ?? 0) - (before[$1] ?? 0) }) / 1_000
                }
                let gateway = "\(bench.host):15443"
                let applied = { (weight: Int) in
                    try await eventually("the gateway weighs \(weight)") {
                        try await bench.client.weights(of: "httpbin")[gateway] == weight
                    }
                }
                #expect(abs(try await share(["w1", "w2", "w3"]) - 0.6) < 0.01)

                // One of east's pods weighs 4: 1 + 4 + 3.
                var heavy = try bench.pod("e2")
                heavy.weight = try #require(Weight(4))
                try bench.publish([bench.pod("e1"), heavy], in: "east")
                try await eventually("e2 weighs 4") {
                    try await bench.client.weights(of: "httpbin")[heavy.address.description] == 4
                }
                #expect(abs(try await share(["e2"]) - 0.5) < 0.01)

                for health in [Pod.Health.draining, .unhealthy] {
                    var resting = try bench.pod("e2")
                    resting.health = health
                    let updates = try await bench.client.stat("cluster.httpbin.update_success")
                    try bench.publish([bench.pod("e1"), resting], in: "east")
                    try await eventually("e2 is \(health)") {
                        try await bench.client.stat("cluster.httpbin.update_success") > updates
                    }
                    #expect(try await share(["e2"]) == 0)
                    #expect(abs(try await share(["e1"]) - 0.25) < 0.01, "1 of 1 + 3, whatever rests")
                }

                // A multiplier shifts traffic, and a reload takes it back; 0 drains the gateway, whose weight is then 1.
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                for (multiplier, weight, intended) in [("2.0", 6, 0.75), ("0", 1, 0), ("1.0", 3, 0.6)] {
                    try bench.write(
                        bench.template("ballast.yaml").replacingOnce("{west: 1.0}", with: "{west: \(multiplier)}"),
                        to: "ballast.yaml"
                    )
                    try bench.process("ballast").signal(1)
                    try await applied(weight)
                    #expect(abs(try await share(["w1", "w2", "w3"]) - intended) < 0.01)
                }

                // local-first: all in east until it is gone.
                try bench.write(
                    bench.template("ballast.yaml").replacingOnce("balance: global", with: "balance: local-first"),
                    to: "ballast.yaml"
                )
                let updates = try await bench.client.stat("cluster.httpbin.update_success")
                try bench.process("ballast").signal(1)
                try await eventually("local-first is applied") {
                    try await bench.client.stat("cluster.httpbin.update_success") > updates
                }
                #expect(try await share(["e1", "e2"]) == 1)
                try bench.publish([], in: "east")
                try await eventually("east is gone") { try await bench.client.weights(of: "httpbin") == [gateway: 3] }
                #expect(try await share(["w1", "w2", "w3"]) == 1)
            }
        }
    }
}
