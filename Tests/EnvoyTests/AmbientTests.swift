import AdminAPI
import EnvoyAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// Tunnels through a stand-in for an ambient gateway, to stand-ins for ztunnels.
    @Suite(.serialized, .newestEnvoyOnly) struct AmbientTests {
        private func configuration(_ bench: Bench, _ gateway: AmbientGateway, policy: ClientSettings.Policy) throws
            -> String
        {
            var plan = Plan(.pods)
            plan.policy = policy
            return try plan.configuration(bench, .http2)
                .replacingOnce("gateways: [\"\(bench.network)1:15443\"]", with: "gateways: [\"\(gateway.address)\"]")
                .replacingOnce(
                    "    reach: pods\n",
                    with: """
                            reach: hbone
                            hbone:
                              gateway: {certificate: certs/client.crt, key: certs/client.key, ca: certs/ca.crt, identities: ["spiffe://mesh.example/gateway"]}
                              pods: {certificate: certs/client.crt, key: certs/client.key, ca: certs/ca.crt, identities: ["spiffe://mesh.example/httpbin"]}

                        """
                )
                .replacingOnce(
                    "    sni: \(Certificates.serviceName)\n",
                    with: "    sni: \(Certificates.serviceName)\n    port: 8000\n")
        }

        private func authority(_ pod: String) -> String { "\(pod).httpbin.svc.cluster.local:8000" }

        private func routes(_ pods: [String], _ bench: Bench) throws -> [String: [SocketAddress]] {
            var routes = try Dictionary(
                uniqueKeysWithValues: pods.map { (authority($0), [try bench.pod($0).address]) })
            // What everybody uses today: one authority for the service.
            routes["httpbin.httpbin.svc.cluster.local:8000"] = try pods.map { try bench.pod($0).address }
            return routes
        }

        @Test(arguments: [ClientSettings.Policy.roundRobin, .leastRequest])
        func `each remote pod has its own tunnel, over few connections, and pods come and go under load`(
            policy: ClientSettings.Policy
        ) async throws {
            try await withBench { bench in
                let (east, west, more) = (["e1", "e2"], ["w1", "w2", "w3"], ["w1", "w2", "w3", "w4", "w5", "w6"])
                let gateway = AmbientGateway(bench, at: 6)
                try bench.write(configuration(bench, gateway, policy: policy), to: "ballast.yaml")
                try bench.publish(east.map(bench.pod), in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                // East's pods are reached with mutual TLS, west's with none inside their tunnels.
                try await bench.startPods(east)
                try await bench.startPods(more, .ambient)
                try await gateway.start(routes(west, bench))
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                @Sendable func has(_ count: Int) async throws {
                    try await eventually("the client has \(count) endpoints") {
                        try await bench.client.endpoints(of: "httpbin").count == count
                    }
                }
                try await has(5)
                func check() async throws {
                    let result = try await Load.run(3_000, on: bench)
                    #expect(result.failed == 0 && result.byPod.count == 5, "\(result.byPod)")
                    let tolerance = if case .roundRobin = policy { 8 } else { 60 }
                    #expect(result.byPod.values.allSatisfy { abs($0 - 600) <= tolerance }, "\(result.byPod)")
                }
                try await check()
                #expect(try await bench.client.stat("cluster.west_gateway.upstream_cx_total") <= 4)
                let handshakes = try await bench.client.stat("cluster.west_pods.ssl.handshake")
                #expect(handshakes <= 6, "a tunnel for each pod and worker")

                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    try gateway.configure(routes(more, bench))
                    try await eventually("the gateway knows w6") {
                        try await gateway.admin.page("/config_dump").contains(authority("w6"))
                    }
                    try bench.publish(more.map(bench.pod), in: "west")
                    try await has(8)
                    try await eventually("the new pods are reached") { load.result.byPod["w6"] ?? 0 > 20 }
                    try bench.publish(west.map(bench.pod), in: "west")
                    try await has(5)
                    try gateway.configure(routes(west, bench))
                    let seen = load.result.requests
                    try await eventually("some more requests") { load.result.requests > seen + 500 }
                }
                #expect(result.failed == 0)
                try await check()
            }
        }

        @Test func `a Ballast makes a Service for each pod, and east's reaches each by its own tunnel`() async throws {
            try await withBench { bench in
                let gateway = AmbientGateway(bench, at: 6)
                let all = (1...6).map { "w\($0)" }
                let server = try await APIServer(try Certificates(in: "\(bench.directory)/certs"))
                let istiod = Istiod(server, pushingTo: .ambient(gateway), delay: 100...1_000)
                try bench.write(
                    server.kubeconfig().replacingOnce("authority: ca.crt", with: "authority: certs/ca.crt"),
                    to: "west.kubeconfig")
                let text = try PublishedWest.configuration(bench, at: 5, slots: 8, keepFor: "3s")
                    .replacingOnce("\(bench.network)6:15443", with: gateway.address)
                    .replacingOnce(
                        "    namespace: istio-system\n",
                        with: """
                                namespace: httpbin
                                objects: Service
                                tls: {certificate: certs/client.crt, key: certs/client.key, ca: certs/ca.crt}

                            """)
                try bench.write(text, to: "west-ballast.yaml")
                try bench.write(
                    configuration(bench, gateway, policy: .roundRobin)
                        .replacingOnce(
                            "    endpoints: {file: west.yaml}\n", with: PublishedWest.peer(bench, at: 5)),
                    to: "ballast.yaml")
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(["w1"].map(bench.pod), in: "west")
                try await bench.startPods(["e1", "e2"])
                try await bench.startPods(all, .ambient)
                try await gateway.start([:])
                do {
                    try await withThrowingTaskGroup { group in
                        group.addTask { await istiod.run() }
                        try await bench.startBallast(
                            name: "west", config: "west-ballast.yaml", at: "\(bench.network)5")
                        try await bench.startBallast()
                        try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                        try await bench.scalePublishedPods()
                        group.cancelAll()
                    }
                } catch {
                    await server.stop()
                    throw error
                }
                #expect(server.objects("services").count == 8 && server.objects("endpointslices").count == 8)
                await server.stop()
            }
        }

        @Test func `a client without internal listeners gets no endpoint behind a gateway that accepts tunnels only`()
            async throws
        {
            try await withBench { bench in
                let gateway = AmbientGateway(bench, at: 6)
                try bench.write(configuration(bench, gateway, policy: .roundRobin), to: "ballast.yaml")
                try bench.publish(["e1"].map(bench.pod), in: "east")
                try bench.publish(["w1"].map(bench.pod), in: "west")
                try await bench.startBallast()
                let plain = try await bench.services(audience: .plain).services.first
                #expect(plain?.endpoints.count == 1)
                #expect(plain?.intended.first { $0.cluster == "west" }?.share == 0)
                let lanes = try await bench.services(audience: .lanes).services.first
                #expect(lanes?.endpoints.map(\.address).sorted().last == "west_pods/\(authority("w1"))")
            }
        }
    }
}
