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
                .replacingOnce(
                    "    endpoints: {file: west.yaml}\n",
                    with: """
                            endpoints:
                              ballast:
                                address: "\(bench.network)\(number):\(Bench.xdsPort)"
                                services: [httpbin]
                                addresses: [loopback]
                                tls: {certificate: certs/peer.crt, key: certs/peer.key, ca: certs/ca.crt, serverName: ballast.example}

                        """)
        }

        /// Runs `body` beside a gateway, pods, an API server and a stand-in for istiod.
        private func withSurroundings(
            pods: [String], delay: ClosedRange<Int> = 100...2_000, _ body: (Surroundings) async throws -> Void
        ) async throws {
            try await withBench { bench in
                try await Stage.prepare(bench, withSidecars: true)
                let server = try await APIServer(try Certificates(in: "\(bench.directory)/certs"))
                let gateway = IstioGateway(bench, at: 6)
                let istiod = Istiod(server, pushingTo: gateway, delay: delay)
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
                    #expect(around.istiod.pushes.full == 1 && around.istiod.pushes.endpoints >= 12)
                } else {
                    #expect(try await around.gateway.admin.stat(stats + "listener_in_place_updated") > 0)
                }
            }
        }
    }
}
