import AdminAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// West's Ballast makes ServiceEntries for its pods, from which a stand-in for istiod configures the gateway; east's
    /// learns the pods and their SNIs from west's.
    @Suite(.serialized) struct PublicationTests {
        /// Runs `body` beside a gateway, pods, an API server and a stand-in for istiod.
        private func withWest(
            pods: [String], delay: ClosedRange<Int> = 100...2_000, _ body: (PublishedWest) async throws -> Void
        ) async throws {
            try await withBench { bench in
                try await Stage.prepare(bench, withSidecars: true)
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(pods.map(bench.pod), in: "west")
                try await PublishedWest.running(on: bench, delay: delay, body)
            }
        }

        private func startWest(_ bench: Bench, _ name: String = "west", at number: Int = 5, untilReady: Bool = true)
            async throws
        {
            try await bench.startBallast(
                name: name, config: "\(name)-ballast.yaml", at: "\(bench.network)\(number)", untilReady: untilReady)
        }

        @Test(arguments: [8, nil])
        func `pods come and go under load, each by an SNI of its own through a gateway that only istiod configures`(
            slots: Int?
        ) async throws {
            try await withWest(pods: ["w1"]) { west in
                let bench = west.bench
                try bench.write(
                    PublishedWest.configuration(bench, at: 5, slots: slots, keepFor: "3s"), to: "west-ballast.yaml")
                try bench.write(PublishedWest.eastern(bench, from: 5), to: "ballast.yaml")
                try await startWest(bench)
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                try await eventually("the client has west's pod") {
                    try await bench.client.endpoints(of: "httpbin").count == 3
                }
                let handshakes = try await bench.handshakeCount(["w1"])
                try await bench.scalePublishedPods()
                #expect(
                    try await bench.handshakeCount(["w1"]) <= handshakes + 2, "a pod that stays keeps its connections")

                let stats = "listener_manager."
                #expect(try await west.gateway.admin.stat(stats + "total_listeners_draining") == 0)
                if let slots {
                    // Slots are made once, and then only endpoints change.
                    #expect(west.entries.count == slots)
                    #expect(west.istiod.pushes.full == 1 && west.istiod.pushes.endpoints > 2)
                } else {
                    #expect(try await west.gateway.admin.stat(stats + "listener_in_place_updated") > 0)
                }
            }
        }

        /// What was written to each ServiceEntry, in order: the specs as JSON.
        private func written(_ server: APIServer) throws -> [String: [String]] {
            var specs: [String: [String]] = [:]
            for request in server.requests where request.method == "PATCH" && request.path.contains("serviceentries") {
                let object = try JSONSerialization.jsonObject(with: Data(request.body.utf8)) as? [String: Any]
                let spec = try JSONSerialization.data(
                    withJSONObject: object?["spec"] as Any, options: [.sortedKeys, .fragmentsAllowed])
                specs[request.path, default: []].append(String(decoding: spec, as: UTF8.self))
            }
            return specs
        }

        @Test
        func `the replica that writes is killed while pods change; another takes over, and nothing is written twice`()
            async throws
        {
            try await withWest(pods: ["w1", "w2"], delay: 100...500) { west in
                let bench = west.bench
                for (name, number) in [("writer", 7), ("west", 5)] {
                    try bench.write(
                        PublishedWest.configuration(bench, at: number, slots: 6, keepFor: "2s"),
                        to: "\(name)-ballast.yaml")
                }
                try bench.write(PublishedWest.eastern(bench, from: 5), to: "ballast.yaml")
                try await startWest(bench, "writer", at: 7)
                try await eventually("the slots are written") { west.entries.count == 6 }
                try await startWest(bench)
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                try await eventually("the client has four endpoints") {
                    try await bench.client.endpoints(of: "httpbin").count == 4
                }
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    try bench.process("writer").signal(SIGKILL)
                    _ = try await bench.process("writer").waitForExit()
                    let start = ContinuousClock.now
                    let pods = ["w1", "w2", "w3", "w4"]
                    try bench.publish(pods.map(bench.pod), in: "west")
                    try await eventually("the new pods get traffic") { load.result.byPod.keys.contains("w4") }
                    #expect(ContinuousClock.now - start < .seconds(20))
                    // The first one is back, and has nothing to do.
                    try await startWest(bench, "writer", at: 7)
                    let seen = load.result.requests
                    try await eventually("some more requests") { load.result.requests > seen + 1_000 }
                }
                #expect(result.failed == 0)
                let lease = try #require(west.server.objects("leases")["istio-system/ballast-west"])
                #expect(lease.contains("\"leaseTransitions\":1"), "\(lease)")
                for (path, specs) in try written(west.server) {
                    #expect(zip(specs, specs.dropFirst()).allSatisfy { $0 != $1 }, "\(path): \(specs)")
                }
                #expect(!west.server.requests.contains { $0.method == "DELETE" })
            }
        }

        @Test func `west's Ballast starts again under load, with its API server and without, and nobody loses a pod`()
            async throws
        {
            try await withWest(pods: ["w1", "w2", "w3"], delay: 100...500) { west in
                let bench = west.bench
                try bench.write(
                    PublishedWest.configuration(bench, at: 5, slots: 4, keepFor: "2s"), to: "west-ballast.yaml")
                try bench.write(PublishedWest.eastern(bench, from: 5), to: "ballast.yaml")
                try await startWest(bench)
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                try await eventually("the client has five endpoints") {
                    try await bench.client.endpoints(of: "httpbin").count == 5
                }
                let updates = { @Sendable in try await bench.client.stat("cluster.httpbin.update_success") }
                let before = try await updates()
                let port = west.server.port
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    func go() async throws {
                        let seen = load.result.requests
                        try await eventually("some requests") { load.result.requests > seen + 500 }
                    }
                    for isServed in [true, false] {
                        if !isServed { await west.server.stop() }
                        try bench.process("west").signal(SIGKILL)
                        _ = try await bench.process("west").waitForExit()
                        try await startWest(bench)
                        try await go()
                    }
                    // It says what it waits for.
                    let readiness = try await HTTPConnection.get(
                        host: "\(bench.network)5", port: Bench.adminPort, "/readyz")
                    #expect(readiness.body.contains("publish.istio: serviceentries"), "\(readiness.body)")
                    try await west.server.start(port: port)
                    try await eventually("the state is known") {
                        let page = try await HTTPConnection.get(
                            host: "\(bench.network)5", port: Bench.adminPort, AdminRoute.publication.path())
                        return try AdminJSON.decode(PublicationPage.self, from: Data(page.body.utf8)).known
                    }
                    try await go()
                }
                #expect(result.failed == 0)
                #expect(try await updates() == before, "the client was sent nothing")
            }
        }

        @Test func `a second server with the same hosts keeps ServiceEntries from being written, until it is gone`()
            async throws
        {
            try await withWest(pods: ["w1"], delay: 100...200) { west in
                let bench = west.bench
                west.server.putAutoPassthrough("another", in: "apps", hosts: ["*.ballast.local"])
                try bench.write(
                    PublishedWest.configuration(bench, at: 5, slots: 2, keepFor: "2s"), to: "west-ballast.yaml")
                try await startWest(bench)
                try await eventually("it says why") {
                    let readiness = try await HTTPConnection.get(
                        host: "\(bench.network)5", port: Bench.adminPort, "/readyz")
                    return readiness.body.contains("one of Gateway apps/another, one of istio-system/eastwest")
                }
                #expect(west.entries.isEmpty)
                west.server.delete("gateways", "apps", "another")
                try await eventually("the pod is announced") {
                    let page = try await HTTPConnection.get(
                        host: "\(bench.network)5", port: Bench.adminPort, AdminRoute.publication.path())
                    return try AdminJSON.decode(PublicationPage.self, from: Data(page.body.utf8)).slots
                        .contains { $0.pod == "w1" && $0.phase == "announced" }
                }
            }
        }
    }
}
