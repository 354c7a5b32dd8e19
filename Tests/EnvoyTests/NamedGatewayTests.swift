import Foundation
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// A gateway that is given as a name.
    @Suite(.serialized) struct NamedGatewayTests {
        @Test(arguments: ["pods", "gateway"])
        func `a gateway's name leads to it, whatever becomes of the name`(reach: String) async throws {
            try await withBench { bench in
                let names = try await NameServer()
                names.set("gw.west.example", "A", .addresses(["\(bench.network)1"], ttl: 0))
                names.set("gw.west.example", "AAAA", .addresses([], ttl: 0))
                do {
                    try await play(bench, names, reach)
                } catch {
                    await names.stop()
                    throw error
                }
                await names.stop()
            }
        }

        private func play(_ bench: Bench, _ names: NameServer, _ reach: String) async throws {
            let west = ["w1", "w2", "w3"]
            try bench.write(
                bench.template("ballast.yaml").replacingOnce(
                    "\"\(bench.network)1:15443\"", with: "\"gw.west.example:15443\""
                )
                .replacingOnce("reach: pods", with: "reach: \(reach)")
                    + "dns: {servers: [\"\(names.address)\"], shortest: 50ms, longest: 100ms}\n", to: "ballast.yaml")
            try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
            try bench.publish(west.map(bench.pod), in: "west")
            try await bench.startPods(["e1", "e2"] + west)
            try await bench.startBallast()
            for number in [1, 2] { try await bench.startGateway(.allClusters, name: "gateway-\(number)", at: number) }
            try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
            let addresses = {
                let cluster = reach == "pods" ? "west_gateway" : "httpbin"
                return try await bench.client.endpoints(of: cluster).keys.filter { $0.hasSuffix(":15443") }
            }
            let first = try await Load.run(300, on: bench)
            #expect(first.failed == 0 && first.byPod.keys.contains { $0.hasPrefix("w") })
            #expect(try await addresses() == ["\(bench.network)1:15443"])

            // The name is gone: what it led to stays.
            names.set("gw.west.example", "A", .code(3))
            names.set("gw.west.example", "AAAA", .code(3))
            try await eventually("shown") {
                try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/readyz").body
                    .contains("there is no such name; the last answer stays")
            }
            let without = try await Load.run(300, on: bench)
            #expect(without.failed == 0 && without.byPod.keys.contains { $0.hasPrefix("w") })

            // It leads elsewhere.
            names.set("gw.west.example", "A", .addresses(["\(bench.network)2"], ttl: 0))
            names.set("gw.west.example", "AAAA", .addresses([], ttl: 0))
            try await eventually("the client has it") { try await addresses() == ["\(bench.network)2:15443"] }
            #expect(try await Load.run(300, on: bench).failed == 0)
        }
    }
}
