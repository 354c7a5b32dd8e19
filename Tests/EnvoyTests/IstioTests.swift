import EnvoyAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// Gateways, pods and sidecars that are configured as istiod would configure them.
    @Suite(.serialized) struct IstioTests {
        private let east = ["e1", "e2"]
        private let west = ["w1", "w2", "w3"]

        private func withSidecars(_ upstream: Bench.UpstreamProtocol = .http2, _ body: (Stage) async throws -> Void)
            async throws
        {
            try await withBench { bench in
                try await Stage.prepare(bench, withSidecars: true)
                try await body(Stage(bench, upstream, workers: 2))
            }
        }

        @Test(arguments: Bench.UpstreamProtocol.allCases)
        func `a gateway and pods that match ALPN accept clients that offer Istio's protocol, and no others`(
            upstream: Bench.UpstreamProtocol
        ) async throws {
            try await withSidecars(upstream) { stage in
                var plan = Plan(.lanes)
                try await stage.open(plan, east: east, west: west)
                let result = try await Load.run(1_000, on: stage.bench)
                #expect(result.failed == 0)
                let share = result.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                #expect(abs(share - 600) <= 20, "\(result.byPod)")
                plan.offersIstio = false
                try await stage.open(plan, east: east, west: west)
                #expect(try await Load.run(100, on: stage.bench).failed == 100)
            }
        }

        private static let filters = ["sidecar-1.20.yaml", "sidecar.yaml"]

        /// Ballast as the examples ask for it: the service under the sidecar's name, with the metadata that TLS is chosen by.
        private func configuration(_ plan: Plan, _ stage: Stage) throws -> String {
            try plan.configuration(stage.bench, stage.upstream).replacingOnce(
                "    sni: \(Certificates.serviceName)\n",
                with: """
                        sni: \(Certificates.serviceName)
                        resources: [httpbin, "\(IstioSidecar.service)"]
                        metadata: {envoy.transport_socket_match: {tlsMode: istio}}

                    """)
        }

        /// How often the sidecar has given up waiting for the service's endpoints.
        private func timeouts(_ bench: Bench) async throws -> Int {
            try await bench.client.stat("cluster.\(IstioSidecar.service).init_fetch_timeout")
        }

        private func hasEndpoints(_ count: Int, _ bench: Bench) async throws {
            do {
                try await eventually("the sidecar has its endpoints") {
                    try await bench.client.endpoints(of: IstioSidecar.service).count == count
                }
            } catch {
                throw BenchError("\(error): \(try await bench.client.endpoints(of: IstioSidecar.service))")
            }
        }

        @Test(arguments: filters) func `a sidecar gets gateway addresses with the right weights`(file: String)
            async throws
        {
            try await withSidecars { stage in
                let bench = stage.bench
                let plan = Plan(.refresh)
                try bench.publish(east.map(bench.pod), in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                try await stage.reload(configuration(plan, stage))
                var sidecar = try IstioSidecar(bench)
                try sidecar.apply(file)
                try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
                #expect(try await timeouts(bench) == 0, "nothing had to be waited for")
                try await hasEndpoints(3, bench)
                let result = try await Load.run(1_000, on: bench)
                #expect(result.failed == 0)
                let share = result.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                #expect(abs(share - 600) <= 20, "\(result.byPod)")
            }
        }

        @Test func `of local pods only those with a sidecar get mutual TLS, and the others plaintext`() async throws {
            try await withSidecars { stage in
                let bench = stage.bench
                await bench.stop("e2")
                try await bench.startPods(["e2"], .plaintext)
                var plan = Plan(.refresh)
                plan.policy = .roundRobin
                var pods = try east.map(bench.pod)
                pods[0].metadata = .istioSidecar
                try bench.publish(pods, in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                // The service has no metadata; its pods and the remote cluster have.
                let configuration = try configuration(plan, stage)
                    .replacingOnce("    metadata: {envoy.transport_socket_match: {tlsMode: istio}}\n", with: "")
                    .replacingOnce(
                        "  west:\n", with: "  west:\n    metadata: {envoy.transport_socket_match: {tlsMode: istio}}\n")
                try await stage.reload(configuration)
                var sidecar = try IstioSidecar(bench)
                try sidecar.apply("sidecar.yaml")
                try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
                try await hasEndpoints(3, bench)
                let result = try await Load.run(1_000, on: bench)
                #expect(result.failed == 0)
                #expect(result.byPod["e1"] ?? 0 > 100 && result.byPod["e2"] ?? 0 > 100, "\(result.byPod)")
            }
        }

        @Test(arguments: filters) func `a sidecar starts while Ballast is down, and gets its endpoints later`(
            file: String
        )
            async throws
        {
            try await withSidecars { stage in
                let bench = stage.bench
                try bench.publish(east.map(bench.pod), in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                try await stage.reload(configuration(Plan(.refresh), stage))
                await bench.stop("ballast")
                var sidecar = try IstioSidecar(bench)
                try sidecar.apply(file)
                // With istiod's own `initial_fetch_timeout` it would never be live.
                try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
                #expect(try await timeouts(bench) == 1)
                try await bench.startBallast()
                try await hasEndpoints(3, bench)
                #expect(try await Load.run(200, on: bench).failed == 0)
            }
        }

        @Test func `pods of another trust domain need a patch of the names that a sidecar accepts`() async throws {
            try await withSidecars { stage in
                let bench = stage.bench
                for name in west { await bench.stop(name) }
                try await bench.startPods(west, .otherTrustDomain)
                let plan = Plan(.refresh)
                try bench.publish(east.map(bench.pod), in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                try await stage.reload(configuration(plan, stage))
                var sidecar = try IstioSidecar(bench)
                try sidecar.apply("sidecar.yaml")
                try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
                try await hasEndpoints(3, bench)
                let refused = try await Load.run(500, on: bench)
                #expect(refused.failed >= 250, "all of west's share")
                #expect(try await bench.client.stat("cluster.\(IstioSidecar.service).ssl.fail_verify_san") > 0)

                await bench.stop("client")
                try sidecar.apply("sidecar-trust-domain.yaml")
                try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
                try await hasEndpoints(3, bench)
                let result = try await Load.run(1_000, on: bench)
                #expect(result.failed == 0)
                let share = result.byPod.filter { $0.key.hasPrefix("w") }.values.reduce(0, +)
                #expect(abs(share - 600) <= 20, "\(result.byPod)")
            }
        }

        /// Pods of a StatefulSet have a subset each, of a host of their own; their endpoints come and go.
        @Test(arguments: [ClientSettings.Policy.roundRobin, .leastRequest])
        func `a StatefulSet's pods get exact shares through a gateway that only istiod configures`(
            policy: ClientSettings.Policy
        ) async throws {
            try await withSidecars { stage in
                let bench = stage.bench
                let gateway = IstioGateway(bench, at: 5)
                @Sendable func routes(_ pods: [String]) throws -> [String: [SocketAddress]] {
                    // Istio has a chain for each subset of the DestinationRule, whether or not there is such a pod.
                    let subsets = (1...6).map { "w\($0)" }
                    var routes = try Dictionary(
                        uniqueKeysWithValues: subsets.map { name in
                            (
                                IstioGateway.sni("httpbin.west.ballast.local", subset: name),
                                pods.contains(name) ? [try bench.pod(name).address] : []
                            )
                        })
                    routes[Certificates.serviceName] = try pods.map { try bench.pod($0).address }
                    return routes
                }
                try await gateway.start(routes(west))
                var plan = Plan(.pods)
                plan.policy = policy
                try bench.publish(east.map(bench.pod), in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                let text = try configuration(plan, stage)
                    .replacingOnce(
                        "gateways: [\"\(bench.network)1:15443\"]", with: "gateways: [\"\(gateway.address)\"]"
                    )
                    .replacingOnce(
                        "    reach: pods\n",
                        with: "    reach: pods\n    sni: \"outbound_.8000_.{pod}_.{service}.{cluster}.ballast.local\"\n"
                    )
                try await stage.reload(text)
                var sidecar = try IstioSidecar(bench)
                for file in ["sidecar.yaml", "sidecar-lanes.yaml", "sidecar-pods.yaml"] {
                    try sidecar.apply(file, gateway: 5)
                }
                if case .roundRobin = policy { sidecar.set("lb_policy", "ROUND_ROBIN") }
                try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
                try await hasEndpoints(5, bench)
                func check(_ pods: [String]) async throws {
                    try await hasEndpoints(pods.count, bench)
                    let result = try await Load.run(3_000, on: bench)
                    #expect(result.failed == 0 && result.byPod.count == pods.count, "\(result.byPod)")
                    let each = 3_000 / pods.count
                    var tolerance = each / 10
                    if case .roundRobin = policy { tolerance = each / 100 + 2 }
                    #expect(result.byPod.values.allSatisfy { abs($0 - each) <= tolerance }, "\(result.byPod)")
                }
                try await check(east + west)
                // Up and down again under load: the gateway learns first of new pods, and last of those that go.
                let more = ["w1", "w2", "w3", "w4", "w5", "w6"]
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    try gateway.configure(routes(more))
                    try await probe(gateway, IstioGateway.sni("httpbin.west.ballast.local", subset: "w6"), bench)
                    try bench.publish(more.map(bench.pod), in: "west")
                    try await hasEndpoints(8, bench)
                    try bench.publish(west.map(bench.pod), in: "west")
                    try await hasEndpoints(5, bench)
                    try gateway.configure(routes(west))
                    let seen = load.result.requests
                    try await eventually("some more requests") { load.result.requests > seen + 500 }
                }
                #expect(result.failed == 0)
                try await check(east + west)

                // And an Envoy that gets everything from Ballast.
                await bench.stop("client")
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                try await eventually("requests succeed") { try await Load.run(100, on: bench).failed == 0 }
                let plain = try await Load.run(1_000, on: bench)
                #expect(plain.failed == 0 && plain.byPod.count == 5, "\(plain.byPod)")
                #expect(plain.byPod.values.allSatisfy { abs($0 - 200) <= 25 }, "\(plain.byPod)")
            }
        }

        /// Waits until the gateway has a pod behind an SNI.
        private func probe(_ gateway: IstioGateway, _ sni: String, _ bench: Bench) async throws {
            try await eventually("the gateway knows \(sni)") {
                try await gateway.admin.page("/clusters").contains("\(sni)::\(bench.network)26:8443::cx_active")
            }
        }

        @Test(arguments: [Plan.Reach.lanes, .pods])
        func `a sidecar with internal listeners reaches remote pods one by one`(
            reach: Plan.Reach
        ) async throws {
            try await withSidecars { stage in
                let bench = stage.bench
                var plan = Plan(reach)
                plan.policy = .roundRobin
                try bench.publish(east.map(bench.pod), in: "east")
                try bench.publish(west.map(bench.pod), in: "west")
                try await stage.reload(configuration(plan, stage))
                var sidecar = try IstioSidecar(bench)
                let files =
                    ["sidecar.yaml", "sidecar-lanes.yaml"]
                    + (reach == .pods ? ["sidecar-pods.yaml"] : [])
                for file in files { try sidecar.apply(file, gateway: plan.gateways[0]) }
                let config = try sidecar.write()
                try await bench.startEnvoy("client", config, bench.client, concurrency: 2)
                try await hasEndpoints(2 + (reach == .pods ? 3 : 12), bench)
                let result = try await Load.run(2_000, on: bench)
                #expect(result.failed == 0)
                #expect(result.byPod.count == 5, "\(result.byPod)")
                if reach == .pods {
                    #expect(result.byPod.values.allSatisfy { abs($0 - 400) < 60 }, "LEAST_REQUEST: \(result.byPod)")
                }
            }
        }
    }
}
