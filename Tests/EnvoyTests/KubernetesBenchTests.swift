import AdminAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// West's pods and gateways as an API server tells them, with real Envoys.
    @Suite(.serialized, .newestEnvoyOnly) struct KubernetesBenchTests {
        private func configuration(_ bench: Bench, at host: String) throws -> String {
            try bench.template("ballast.yaml").replacingOnce("guard: off", with: "guard: on")
                .replacingOnce("xds: {listen: \"\(bench.host):", with: "xds: {listen: \"\(host):")
                .replacingOnce("admin: {listen: \"\(bench.host):", with: "admin: {listen: \"\(host):")
                .replacingOnce(
                    "endpoints: {file: west.yaml}",
                    with: """
                        endpoints:
                              kubernetes:
                                kubeconfig: west.kubeconfig
                                services: {httpbin: {namespace: httpbin, port: https}}
                        """
                )
                .replacingOnce(
                    "gateways: [\"\(bench.network)1:15443\"]",
                    with: """
                        gateways:
                              kubernetes: {namespace: istio-system, labelSelector: istio=eastwestgateway, port: tls}
                        """)
        }

        private func put(_ pods: [(name: String, isTerminating: Bool)], _ bench: Bench, _ server: APIServer) throws {
            server.putSlice(
                "httpbin-1", of: "httpbin", in: "httpbin",
                try pods.map { pod in
                    APIServer.Endpoint(
                        pod.name, try bench.pod(pod.name).address.host.description, ready: !pod.isTerminating,
                        serving: true,
                        terminating: pod.isTerminating, zone: "a")
                }, ports: [("https", 8443)])
        }

        private func putGateway(_ addresses: [String], _ server: APIServer) {
            let ingress = addresses.map { "{\"ip\":\"\($0)\"}" }.joined(separator: ",")
            server.put(
                "services", "istio-system", "gateway", labels: ["istio": "eastwestgateway"],
                json: """
                    {"metadata":{"name":"gateway","namespace":"istio-system","resourceVersion":"$VERSION"},\
                    "spec":{"type":"LoadBalancer","ports":[{"name":"tls","port":15443}]},\
                    "status":{"loadBalancer":{"ingress":[\(ingress)]}}}
                    """)
        }

        @Test func `pods and gateways come and go in Kubernetes, its API server too, and no request fails`()
            async throws
        {
            try await withBench { bench in
                let all = (1...6).map { "w\($0)" }
                let server = try await APIServer(try Certificates(in: "\(bench.directory)/certs"))
                do {
                    try put(["w1", "w2", "w3"].map { ($0, false) }, bench, server)
                    putGateway(["\(bench.network)1"], server)
                    try bench.write(
                        server.kubeconfig().replacingOnce("authority: ca.crt", with: "authority: certs/ca.crt"),
                        to: "west.kubeconfig")
                    try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                    try bench.write(configuration(bench, at: bench.host), to: "ballast.yaml")
                    try bench.write(configuration(bench, at: "\(bench.network)9"), to: "replica.yaml")
                    try await bench.startPods(["e1", "e2"] + all)
                    try await bench.startBallast()
                    try await bench.startBallast(name: "replica", config: "replica.yaml", at: "\(bench.network)9")
                    for number in [1, 2] {
                        try await bench.startGateway(.allClusters, name: "gateway-\(number)", at: number)
                    }
                    try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                    try await play(bench, server, all)
                } catch {
                    await server.stop()
                    throw error
                }
                await server.stop()
            }
        }

        private func play(_ bench: Bench, _ server: APIServer, _ all: [String]) async throws {
            let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                let reach = { (pods: [String], what: String) async throws in
                    let start = load.result
                    try await eventually(what) {
                        Set((load.result - start).byPod.filter { $0.value > 5 }.keys).isSuperset(of: pods)
                    }
                }
                try await reach(["e1", "e2", "w1", "w2", "w3"], "all pods are reached")
                try put(all.map { ($0, false) }, bench, server)
                try await reach(all, "new pods are reached")

                // The API server goes, and what is known stays.
                let port = server.port
                await server.stop()
                try await eventually("stale") { try await ready(bench).contains("\"stale\"") }
                try await reach(all, "all are reached without it")
                try await server.start(port: port)
                server.compact()
                try await eventually("listed again") {
                    try await !ready(bench).contains("\"stale\"")
                }

                // As pods end: first terminating, then gone.
                try put(all.map { ($0, $0 > "w2") }, bench, server)
                try await eventually("the client has them as draining") {
                    try await bench.client.endpoints(of: "httpbin").values.count { $0.health == "draining" } == 4
                }
                // What was on its way has arrived: a pod that is gone takes no connection.
                let draining = load.result
                try await eventually("requests go on") { load.result.requests > draining.requests + 400 }
                try put(["w1", "w2"].map { ($0, false) }, bench, server)
                try await eventually("gone") { try await bench.services().services[0].endpoints.count == 4 }
                #expect(try await !ready(bench).contains("\"held\""))

                // What goes while nobody watches is no evidence: it is held, and let go on a word.
                server.compact()
                server.forget("endpointslices", "httpbin", "httpbin-1")
                await server.disconnectAll()
                try await eventually("held") { try await ready(bench).contains("its source names 0 of 2 pods") }
                try await reach(["e1", "e2", "w1", "w2"], "all are reached")
                try put(["w1", "w2"].map { ($0, false) }, bench, server)
                try await eventually("no longer held") { try await !ready(bench).contains("\"held\"") }

                // Another gateway's address: old connections stay where they are, new ones go there.
                putGateway(["\(bench.network)2"], server)
                try await eventually("the client has it") {
                    try await bench.client.endpoints(of: "west_gateway").keys.contains("\(bench.network)2:15443")
                }
                try put(["w1", "w2", "w6"].map { ($0, false) }, bench, server)
                try await reach(["e1", "e2", "w1", "w2", "w6"], "all are reached")
                #expect(try await bench.gateway(at: 2).stat("tcp.sni.downstream_cx_total") > 0)

                // Replicas agree.
                for audience in ["lanes", "plain", "grpc"] {
                    try await eventually("both serve the same to \(audience)") {
                        try await served(bench.host, audience) == served("\(bench.network)9", audience)
                    }
                }
                let page = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/services/httpbin")
                    .body
                #expect(page.contains("\"object\" : \"EndpointSlice httpbin/httpbin-1\""))
                #expect(page.contains("pod weight 1 x multiplier 1"))
            }
            let log = try bench.process("client").log
            #expect(result.failed == 0, "of \(result.requests): \(log.suffix(2_000))")
        }

        private func ready(_ bench: Bench) async throws -> String {
            try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/readyz").body
        }

        /// Names, versions and endpoints of what a Ballast serves: no word of the source, whose times differ.
        private func served(_ host: String, _ audience: String) async throws -> String {
            let body = try await HTTPConnection.get(
                host: host, port: Bench.adminPort, "/v1/services?audience=\(audience)"
            ).body
            let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
            let services = (object?["services"] as? [[String: Any]] ?? []).map { service in
                service.filter { ["name", "resources", "endpoints"].contains($0.key) }
            }
            return String(
                decoding: try JSONSerialization.data(withJSONObject: services, options: .sortedKeys), as: UTF8.self)
        }
    }
}
