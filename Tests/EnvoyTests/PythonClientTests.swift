import AdminAPI
import Balancing
import Foundation
import Model
import Overrides
import TestBench
import Testing
import TestSupport

/// `NAME=COUNT` in the line of the client's output that ends with the failed; gRPC's own log may follow it.
private func counts(in output: String) -> [String: Int] {
    let line = output.split(separator: "\n").last { $0.contains(" failed=") } ?? ""
    return Dictionary(
        line.split(separator: " ").compactMap { pair -> (String, Int)? in
            let parts = pair.split(separator: "=")
            return parts.count == 2 ? Int(parts[1]).map { (String(parts[0]), $0) } : nil
        },
        uniquingKeysWith: { $1 })
}

/// A gateway that passes TCP on to west's pods, whatever is spoken.
private func plainGateway(_ bench: Bench, to pods: [Pod]) -> String {
    let endpoints = pods.map {
        "{endpoint: {address: {socket_address: {address: \($0.address.host), port_value: \($0.address.port)}}}}"
    }
    return """
        admin: {address: {socket_address: {address: \(bench.host), port_value: 9902}}}
        static_resources:
          listeners:
          - address: {socket_address: {address: \(bench.host), port_value: 15443}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.tcp_proxy
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                  stat_prefix: west
                  cluster: west
          clusters:
          - name: west
            load_assignment: {cluster_name: west, endpoints: [{lb_endpoints: [\(endpoints.joined(separator: ", "))]}]}
        """
}

extension EnvoyTests {
    /// Clients that are not Envoy: generated code on grpcio, and grpcio's own xDS client.
    @Suite(.serialized, .newestEnvoyOnly) struct PythonClientTests {
        @Test func `a Python client gets the same endpoints over all four methods`() async throws {
            try await withBench { bench in
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(["w1", "w2", "w3"].map(bench.pod), in: "west")
                try await bench.startBallast()
                let output = try run(
                    "\(repository)/.build/venv/bin/python",
                    ["\(repository)/Tests/EnvoyTests/discover.py", "\(bench.host):\(Bench.xdsPort)"],
                    directory: bench.directory
                )
                let east = try ["e1", "e2"].map { "\(try bench.pod($0).address) weight 1 of 2 in east" }
                let expected = (east + ["\(bench.host):15443 weight 3 of 3 in west"]).joined(separator: ", ")
                let lines = output.split(separator: "\n")
                #expect(lines.count == 4)
                for line in lines { #expect(line.hasSuffix(": \(expected)"), "\(line)") }
            }
        }

        @Test func `a gRPC client without a proxy balances over local and remote pods`() async throws {
            try await withBench { bench in
                // Remote pods of the same network; and another cluster behind a gateway, which for gRPC is one address.
                let pods = try ["e1", "e2", "w1", "w2", "w3"].map(bench.pod)
                let config = try bench.template("ballast.yaml")
                    .replacingOnce(
                        "    locality: {region: west}", with: "    locality: {region: west}\n    network: east")
                try bench.write(config, to: "ballast.yaml")
                try await bench.startBallast()
                try bench.write(bench.template("grpc-bootstrap.json"), to: "grpc-bootstrap.json")
                let output = try run(
                    "\(repository)/.build/venv/bin/python",
                    ["\(repository)/Tests/EnvoyTests/grpc_client.py", "grpc-bootstrap.json", "httpbin", "500"]
                        + pods.map { "\($0.name)=\($0.address)" },
                    directory: bench.directory)
                let counts = counts(in: output)
                #expect(counts["failed"] == 0, "\(output)")
                // gRPC picks localities by chance, in proportion to their weights.
                for pod in pods { #expect((60...140).contains(counts[pod.name] ?? 0), "\(output)") }
            }
        }

        @Test func `a gRPC client's TLS passes a gateway configured by Ballast, by the name that it calls`()
            async throws
        {
            try await withBench { bench in
                try Certificates(in: "\(bench.directory)/certs").make(
                    "grpc", ["DNS:httpbin"], until: Date(timeIntervalSinceNow: 86_400))
                let config = try bench.template("ballast.yaml")
                let sni = try #require(config.firstMatch(of: /\ +sni: .*\n/)).output
                try bench.write(config.replacingOnce(sni, with: ""), to: "ballast.yaml")
                let pods = try ["e1", "e2", "w1", "w2", "w3"].map(bench.pod)
                try await bench.startBallast()
                try await bench.startGateway(.allClusters)
                try bench.write(bench.template("grpc-bootstrap.json"), to: "grpc-bootstrap.json")
                let output = try run(
                    "/usr/bin/env",
                    [
                        "CERTIFICATES=certs", "\(repository)/.build/venv/bin/python",
                        "\(repository)/Tests/EnvoyTests/grpc_client.py", "grpc-bootstrap.json", "httpbin", "500",
                    ] + pods.map { "\($0.name)=\($0.address)" },
                    directory: bench.directory)
                let counts = counts(in: output)
                #expect(counts["failed"] == 0, "\(output)")
                #expect(
                    pods.filter { $0.name.hasPrefix("w") }.reduce(0) { $0 + (counts[$1.name] ?? 0) } > 200, "\(output)")
            }
        }

        /// A gRPC client, and the pods that it calls; `calls` is a number, or a time such as 30s.
        private func grpcClient(_ bench: Bench, _ calls: String, _ pods: [Pod]) throws -> ManagedProcess {
            try bench.write(bench.template("grpc-bootstrap.json"), to: "grpc-bootstrap.json")
            return try ManagedProcess(
                "python", "\(repository)/.build/venv/bin/python",
                ["\(repository)/Tests/EnvoyTests/grpc_client.py", "grpc-bootstrap.json", "httpbin", calls]
                    + pods.map { "\($0.name)=\($0.address)" },
                directory: bench.directory, logPath: "\(bench.directory)/python.log")
        }

        @Test func `a gRPC client sends weighted shares to local pods and a gateway, and no change fails a call`()
            async throws
        {
            try await withBench { bench in
                var east = try ["e1", "e2"].map(bench.pod)
                east[0].weight = try #require(Weight(2))
                let west = try ["w1", "w2", "w3"].map(bench.pod)
                try bench.publish(east, in: "east")
                try bench.publish(west, in: "west")
                try await bench.startEnvoy("gateway", plainGateway(bench, to: west), bench.gateway(), concurrency: 1)
                try await bench.startBallast()
                let client = { (calls: String) in try grpcClient(bench, calls, east + west) }
                let steady = try client("1200")
                #expect(await steady.waitForExit() == 0)
                let shares = counts(in: steady.log)
                #expect(shares["failed"] == 0, "\(steady.log)")
                // 2, 1 and 3 of 6. Two of a hundred thousand runs go further astray than this.
                #expect(abs((shares["e1"] ?? 0) - 400) < 75, "\(shares)")
                #expect(abs((shares["e2"] ?? 0) - 200) < 60, "\(shares)")
                #expect(abs(west.reduce(0) { $0 + (shares[$1.name] ?? 0) } - 600) < 80, "\(shares)")

                // Its reports of load are seen, too.
                let changing = try client("12s")
                try await eventually("the client's reports") {
                    let service = try await bench.services(audience: .grpc).services.first
                    return service?.intended.allSatisfy { $0.observed?.requests ?? 0 > 50 } == true
                }
                while changing.isRunning {
                    for health in [Pod.Health.draining, .healthy] {
                        east[1].health = health
                        try bench.publish(east, in: "east")
                        try await eventually("the change is served") {
                            let service = try await bench.services(audience: .grpc).services.first
                            return service?.endpoints.count == (health == .healthy ? 3 : 2)
                        }
                    }
                }
                #expect(counts(in: changing.log)["failed"] == 0, "\(changing.log)")
            }
        }

        @Test func `a drain fails no call of a gRPC client, and its errors take an override back`() async throws {
            try await withBench { bench in
                let east = try ["e1", "e2"].map(bench.pod)
                let west = try ["w1", "w2", "w3"].map(bench.pod)
                try bench.publish(east, in: "east")
                try bench.publish(west, in: "west")
                try await bench.startEnvoy("gateway", plainGateway(bench, to: west), bench.gateway(), concurrency: 1)
                try bench.write(bench.template("ballast.yaml") + "overrides: {store: memory}\n", to: "ballast.yaml")
                try await bench.startBallast()
                let ballast = { (arguments: String...) in
                    try run(
                        tools.ballast, arguments + ["--admin", "http://\(bench.host):\(Bench.adminPort)"],
                        directory: bench.directory)
                }
                let observed = {
                    let service = try await bench.services(audience: .grpc).services.first
                    return service?.intended.first { $0.cluster == "west" }?.observed
                }
                let client = { (calls: String) in try grpcClient(bench, calls, east + west) }
                let draining = try client("15s")
                try await eventually("the client's reports") { try await observed()?.requests ?? 0 > 100 }
                _ = try ballast("drain", "cluster", "west", "--for", "10m", "--reason", "a test", "--yes")
                try await eventually("gRPC clients get east only") {
                    try await bench.services(audience: .grpc).services.first?.endpoints.count == 2
                }
                _ = try ballast("undo")
                try await eventually("and west again") {
                    try await bench.services(audience: .grpc).services.first?.endpoints.count == 3
                }
                #expect(await draining.waitForExit() == 0)
                let calls = counts(in: draining.log)
                #expect(calls["failed"] == 0 && calls.keys.contains { $0.hasPrefix("w") }, "\(draining.log)")

                let failing = try client("60s")
                try await eventually("the client's reports") { try await observed()?.requests ?? 0 > 100 }
                _ = try ballast(
                    "weights", "set", "httpbin", "west=20%", "--over", "64s", "--steps", "4", "--for", "10m",
                    "--abort-on", "errors=1%", "--reason", "a test", "--yes")
                try bench.write("", to: "FAILING")
                let begin = Date()
                try await eventually("it was taken back") {
                    let page = try AdminJSON.decode(
                        OverridesPage.self, from: Data(try ballast("overrides", "--all", "-o", "json").utf8))
                    return page.overrides.first?.phase == .ended
                        && page.overrides.first?.override.transitions.last?.by == "ballast"
                }
                print("taken back \(Date().timeIntervalSince(begin)) s after the first error")
                await failing.stop()
            }
        }
    }
}
