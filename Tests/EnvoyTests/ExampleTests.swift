import Balancing
import Foundation
import TestBench
import TestSupport
import Testing

@Suite struct ExampleTests {
    @Test(arguments: [
        "eds-sotw.yaml", "eds-delta.yaml", "ads-sotw.yaml", "ads-delta.yaml", "bench/client.yaml", "bench/gateway.yaml",
        "bench/pod.yaml", "client.yaml", "gateway.yaml",
    ])
    func `Envoy takes the example without a warning`(file: String) async throws {
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
    func `an Envoy with the example takes its endpoints from Ballast, and their changes`(file: String) async throws {
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
            try await eventually("the weight is 3") {
                try await bench.client.weights(of: "httpbin") == expected(["e1", "e2"], 3)
            }
            try bench.publish([bench.pod("e2")], in: "east")
            try await eventually("e1 is gone") { try await bench.client.weights(of: "httpbin") == expected(["e2"], 3) }
            try bench.publish([], in: "west")
            try await eventually("west is gone") {
                try await bench.client.weights(of: "httpbin") == expected(["e2"], 0)
            }
            try bench.publish([], in: "east")
            try await eventually("nothing is left") { try await bench.client.weights(of: "httpbin") == [:] }
            #expect(try await bench.client.stat("cluster.httpbin.update_rejected") == 0)
        }
    }
}
