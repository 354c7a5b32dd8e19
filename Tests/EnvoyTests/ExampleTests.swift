import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    @Suite(.serialized) struct ExampleTests {
        @Test(arguments: [
            "eds-sotw.yaml", "eds-delta.yaml", "ads-sotw.yaml", "ads-delta.yaml", "bench/client.yaml",
            "bench/gateway.yaml",
            "bench/pod.yaml", "client.yaml", "eds-lanes.yaml", "gateway.yaml",
        ])
        func `Envoy accepts the example without a warning`(file: String) async throws {
            try await withTemporaryDirectory { directory in
                let bench = try Bench(tools, directory: "\(directory)/bench")
                try bench.routeGateway(to: [])
                let output = try run(
                    tools.envoy,
                    [
                        "--mode", "validate", "-c", "\(tools.configs)/\(file)", "--disable-hot-restart", "--log-level",
                        "warning",
                    ],
                    directory: bench.directory
                )
                #expect(output.contains("OK"))
                #expect(!output.contains("warning") && !output.lowercased().contains("deprecated"), "\(output)")
            }
        }

        @Test(arguments: ["eds-sotw.yaml", "eds-delta.yaml", "ads-sotw.yaml", "ads-delta.yaml"])
        func `an Envoy with the example gets its endpoints from Ballast, and their changes`(file: String) async throws {
            try await withBench { bench in
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(["w1"].map(bench.pod), in: "west")
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.template(file), bench.client, concurrency: 1)
                let expected = { (east: [String], west: Int) in
                    var weights = try Dictionary(
                        uniqueKeysWithValues: east.map { (try bench.pod($0).address.description, 1) })
                    if west > 0 { weights["\(bench.host):15443"] = west }
                    return weights
                }
                #expect(try await bench.client.weights(of: "httpbin") == expected(["e1", "e2"], 1))
                try bench.publish(["w1", "w2", "w3"].map(bench.pod), in: "west")
                // It doesn't say that it could take more.
                #expect(try bench.process("ballast").log.contains("client gets gateway addresses only"))
                let clients = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients")
                #expect(clients.body.contains("gets gateway addresses only for west"))
                try await eventually("the weight is 3") {
                    try await bench.client.weights(of: "httpbin") == expected(["e1", "e2"], 3)
                }
                try bench.publish([bench.pod("e2")], in: "east")
                try await eventually("e1 is gone") {
                    try await bench.client.weights(of: "httpbin") == expected(["e2"], 3)
                }
                try bench.publish([], in: "west")
                try await eventually("west is gone") {
                    try await bench.client.weights(of: "httpbin") == expected(["e2"], 0)
                }
                try bench.publish([], in: "east")
                try await eventually("nothing is left") { try await bench.client.weights(of: "httpbin") == [:] }
                #expect(try await bench.client.stat("cluster.httpbin.update_rejected") == 0)
            }
        }

        @Test func `a static bootstrap with an internal listener reaches each remote pod by itself`() async throws {
            try await withBench { bench in
                try await Stage.prepare(bench)
                let stage = Stage(bench, .http2, workers: 2)
                try await stage.open(Plan(.pods), east: ["e1", "e2"], west: ["w1", "w2", "w3"])
                await bench.stop("client")
                try await bench.startEnvoy("client", bench.template("eds-lanes.yaml"), bench.client, concurrency: 2)
                try await stage.wait(Plan(.pods))
                let result = try await Load.run(1_000, on: bench)
                #expect(result.failed == 0)
                #expect(
                    result.byPod.count == 5 && result.byPod.values.allSatisfy { abs($0 - 200) <= 4 }, "\(result.byPod)")
            }
        }

        @Test func `an Envoy that chooses TLS by tlsMode, as Istio's sidecars do, accepts what Ballast sends`()
            async throws
        {
            try await withBench { bench in
                try await Stage.prepare(bench)
                let stage = Stage(bench, .http2, workers: 2)
                let plan = Plan(.gateway)
                let metadata =
                    "sni: \(Certificates.serviceName)\n    metadata: {envoy.transport_socket_match: {tlsMode: istio}}"
                try await stage.open(plan, east: ["e1", "e2"], west: ["w1", "w2", "w3"])
                try await stage.reload(
                    plan.configuration(bench, .http2).replacingOnce("sni: \(Certificates.serviceName)", with: metadata))
                await bench.stop("client")
                // The TLS context moves into a match, and everything else is plaintext, which pods don't take.
                let config = try bench.clientConfig(.http2)
                let start = try #require(config.range(of: "    transport_socket:\n"))
                let end = try #require(config.range(of: "    typed_extension_protocol_options:\n"))
                let socket = config[start.upperBound..<end.lowerBound].split(separator: "\n").map { "    \($0)" }
                let matches = """
                        transport_socket_matches:
                        - name: tlsMode-istio
                          match: {tlsMode: istio}
                          transport_socket:
                    \(socket.joined(separator: "\n"))
                        - name: tlsMode-disabled
                          match: {}
                          transport_socket: 
                            name: envoy.transport_sockets.raw_buffer
                            typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}

                    """
                let istio = config.replacingCharacters(in: start.lowerBound..<end.lowerBound, with: matches)
                try await bench.startEnvoy("client", istio, bench.client, concurrency: 2)
                try await stage.wait(plan)
                let result = try await Load.run(500, on: bench)
                #expect(result.failed == 0)
                #expect(["e1", "e2"].allSatisfy { (98...102).contains(result.byPod[$0] ?? 0) }, "\(result.byPod)")
            }
        }
    }
}
