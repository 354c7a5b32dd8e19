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
        /// What stands beside the Envoys.
        struct Surroundings {
            var bench: Bench
            var server: APIServer
            var gateway: IstioGateway
            var istiod: Istiod

            /// The ServiceEntries, by name.
            var entries: [String: String] { server.objects("serviceentries") }
        }

        static func west(_ bench: Bench, at number: Int, slots: Int?, keepFor: String) -> String {
            """
            cluster: west
            guard: off
            xds:
              listen: "\(bench.network)\(number):\(Bench.xdsPort)"
              tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt}
            admin: {listen: "\(bench.network)\(number):\(Bench.adminPort)"}
            clusters:
              west: {endpoints: {file: west.yaml}, gateways: ["\(bench.network)6:15443"], reach: pods}
            services: {httpbin: {}}
            export:
              east: {identity: "spiffe://mesh.example/peer", services: [httpbin]}
            publish:
              istio:
                kubeconfig: west.kubeconfig
                namespace: istio-system
                keepFor: \(keepFor)
                services: {httpbin: {port: 8000, \(slots.map { "slots: \($0), " } ?? "")serviceAccount: httpbin}}

            """
        }

        private func east(_ bench: Bench, from number: Int) throws -> String {
            try Plan(.pods).configuration(bench, .http2)
                .replacingOnce(
                    "gateways: [\"\(bench.network)1:15443\"]", with: "gateways: [\"\(bench.network)6:15443\"]"
                )
                .replacingOnce("    endpoints: {file: west.yaml}\n", with: Self.peer(bench, at: number))
        }

        /// West's endpoints as its Ballast exports them.
        static func peer(_ bench: Bench, at number: Int) -> String {
            """
                endpoints:
                  ballast:
                    address: "\(bench.network)\(number):\(Bench.xdsPort)"
                    services: [httpbin]
                    addresses: [loopback]
                    tls: {certificate: certs/peer.crt, key: certs/peer.key, ca: certs/ca.crt, serverName: ballast.example}

            """
        }

        /// Runs `body` beside a gateway, pods, an API server and a stand-in for istiod.
        private func withSurroundings(
            pods: [String], delay: ClosedRange<Int> = 100...2_000, _ body: (Surroundings) async throws -> Void
        ) async throws {
            try await withBench { bench in
                try await Stage.prepare(bench, withSidecars: true)
                let server = try await APIServer(try Certificates(in: "\(bench.directory)/certs"))
                let gateway = IstioGateway(bench, at: 6)
                let istiod = Istiod(server, pushingTo: .passthrough(gateway), delay: delay)
                server.putAutoPassthrough("eastwest")
                try bench.write(
                    server.kubeconfig().replacingOnce("authority: ca.crt", with: "authority: certs/ca.crt"),
                    to: "west.kubeconfig")
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(pods.map(bench.pod), in: "west")
                try await bench.startPods((1...6).map { "w\($0)" } + ["e1", "e2"], .sidecar)
                try await gateway.start([:])
                do {
                    try await withThrowingTaskGroup { group in
                        group.addTask { await istiod.run() }
                        try await body(Surroundings(bench: bench, server: server, gateway: gateway, istiod: istiod))
                        group.cancelAll()
                    }
                } catch {
                    await server.stop()
                    throw error
                }
                #expect(istiod.problem == nil)
                await server.stop()
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
            try await withSurroundings(pods: ["w1"]) { around in
                let bench = around.bench
                try bench.write(Self.west(bench, at: 5, slots: slots, keepFor: "3s"), to: "west-ballast.yaml")
                try bench.write(east(bench, from: 5), to: "ballast.yaml")
                try await startWest(bench)
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                @Sendable func has(_ count: Int) async throws {
                    try await eventually("the client has \(count) endpoints") {
                        try await bench.client.endpoints(of: "httpbin").count == count
                    }
                }
                try await has(3)
                let handshakes = try await bench.handshakeCount(["w1"])
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for pods in [["w1", "w2", "w3", "w4", "w5", "w6"], ["w1", "w4"], ["w1", "w4", "w2", "w5"]] {
                        // A pod that goes is draining for a while, as Kubernetes has it.
                        var all = try pods.map(bench.pod)
                        for gone in try load.result.byPod.keys.filter({ $0.hasPrefix("w") && !pods.contains($0) }) {
                            var pod = try bench.pod(gone)
                            pod.health = .draining
                            all.append(pod)
                        }
                        try bench.publish(all, in: "west")
                        try await eventually("the client has pods \(pods)") {
                            let start = load.result
                            try await eventually("some requests") { load.result.requests > start.requests + 200 }
                            return Set((load.result - start).byPod.keys) == Set(pods + ["e1", "e2"])
                        }
                        try bench.publish(pods.map(bench.pod), in: "west")
                        try await has(2 + pods.count)
                    }
                    let end = load.result.requests
                    try await eventually("some more requests") { load.result.requests > end + 2_000 }
                }
                #expect(result.failed == 0 && result.requests > 2_000)
                #expect(
                    try await bench.handshakeCount(["w1"]) <= handshakes + 2, "a pod that stays keeps its connections")
                let even = try await Load.run(3_000, on: bench)
                #expect(even.failed == 0)
                #expect(even.byPod.count == 6 && even.byPod.values.allSatisfy { abs($0 - 500) <= 7 }, "\(even.byPod)")

                let stats = "listener_manager."
                #expect(try await around.gateway.admin.stat(stats + "total_listeners_draining") == 0)
                if let slots {
                    // Slots are made once, and then only endpoints change.
                    #expect(around.entries.count == slots)
                    #expect(around.istiod.pushes.full == 1 && around.istiod.pushes.endpoints > 2)
                } else {
                    #expect(try await around.gateway.admin.stat(stats + "listener_in_place_updated") > 0)
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
            try await withSurroundings(pods: ["w1", "w2"], delay: 100...500) { around in
                let bench = around.bench
                for (name, number) in [("writer", 7), ("west", 5)] {
                    try bench.write(Self.west(bench, at: number, slots: 6, keepFor: "2s"), to: "\(name)-ballast.yaml")
                }
                try bench.write(east(bench, from: 5), to: "ballast.yaml")
                try await startWest(bench, "writer", at: 7)
                try await eventually("the slots are written") { around.entries.count == 6 }
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
                let lease = try #require(around.server.objects("leases")["istio-system/ballast-west"])
                #expect(lease.contains("\"leaseTransitions\":1"), "\(lease)")
                for (path, specs) in try written(around.server) {
                    #expect(zip(specs, specs.dropFirst()).allSatisfy { $0 != $1 }, "\(path): \(specs)")
                }
                #expect(!around.server.requests.contains { $0.method == "DELETE" })
            }
        }

        @Test func `west's Ballast starts again under load, with its API server and without, and nobody loses a pod`()
            async throws
        {
            try await withSurroundings(pods: ["w1", "w2", "w3"], delay: 100...500) { around in
                let bench = around.bench
                try bench.write(Self.west(bench, at: 5, slots: 4, keepFor: "2s"), to: "west-ballast.yaml")
                try bench.write(east(bench, from: 5), to: "ballast.yaml")
                try await startWest(bench)
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                try await eventually("the client has five endpoints") {
                    try await bench.client.endpoints(of: "httpbin").count == 5
                }
                let updates = { @Sendable in try await bench.client.stat("cluster.httpbin.update_success") }
                let before = try await updates()
                let port = around.server.port
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    func go() async throws {
                        let seen = load.result.requests
                        try await eventually("some requests") { load.result.requests > seen + 500 }
                    }
                    for isServed in [true, false] {
                        if !isServed { await around.server.stop() }
                        try bench.process("west").signal(SIGKILL)
                        _ = try await bench.process("west").waitForExit()
                        try await startWest(bench)
                        try await go()
                    }
                    // It says what it waits for.
                    let readiness = try await HTTPConnection.get(
                        host: "\(bench.network)5", port: Bench.adminPort, "/readyz")
                    #expect(readiness.body.contains("publish.istio: serviceentries"), "\(readiness.body)")
                    try await around.server.start(port: port)
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
            try await withSurroundings(pods: ["w1"], delay: 100...200) { around in
                let bench = around.bench
                around.server.putAutoPassthrough("another", in: "apps", hosts: ["*.ballast.local"])
                try bench.write(Self.west(bench, at: 5, slots: 2, keepFor: "2s"), to: "west-ballast.yaml")
                try await startWest(bench)
                try await eventually("it says why") {
                    let readiness = try await HTTPConnection.get(
                        host: "\(bench.network)5", port: Bench.adminPort, "/readyz")
                    return readiness.body.contains("one of Gateway apps/another, one of istio-system/eastwest")
                }
                #expect(around.entries.isEmpty)
                around.server.delete("gateways", "apps", "another")
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
