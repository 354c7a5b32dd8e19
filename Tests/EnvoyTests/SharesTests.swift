import Balancing
import TestBench
import TestSupport
import Testing

@Suite(.serialized) struct SharesTests {
    @Test(arguments: Bench.UpstreamProtocol.allCases)
    func `the story shows the problem, and mends the clusters' shares`(upstream: Bench.UpstreamProtocol) async throws {
        try await withBench { bench in
            let scenes = try await Story(bench, upstream, say: { _ in }).play(requests: 1_200)
            #expect(scenes.map(\.failed) == [0, 0, 0, 0])
            let west = scenes.map { scene in
                Double(scene.measured.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)) / Double(scene.requests)
            }
            // Intended by an unweighted gateway: half, a third, a third; by a weighted one: three fifths.
            for (measured, intended) in zip(west, [1.0 / 2, 1.0 / 3, 1.0 / 3, 3.0 / 5]) {
                #expect(abs(measured - intended) < 0.01, "\(west)")
            }
            #expect(scenes[3].ideal.values.allSatisfy { abs($0 - 240) < 1e-6 })
            // What weights alone can't mend: connections that are open stay with the pod that they were opened to.
            if upstream == .http2 {
                #expect(scenes[3].measured["w2"] == 0)
                #expect(scenes[3].measured["w3"] == 0)
            }
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
            let applied = { (weight: Int?) in
                try await eventually("the gateway weighs \(weight ?? 0)") {
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

            // A multiplier shifts traffic, and a reload takes it back.
            try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
            for (multiplier, weight, intended) in [("2.0", 6, 0.75), ("0", nil, 0), ("1.0", 3, 0.6)] {
                try bench.write(
                    bench.template("ballast.yaml").replacing("{west: 1.0}", with: "{west: \(multiplier)}"),
                    to: "ballast.yaml"
                )
                try bench.process("ballast").signal(1)
                try await applied(weight)
                #expect(abs(try await share(["w1", "w2", "w3"]) - intended) < 0.01)
            }

            // local-first: all in east until it is gone.
            try bench.write(
                bench.template("ballast.yaml").replacing("balance: global", with: "balance: local-first"),
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
