import AdminAPI
import Foundation
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// West and east, each with a Ballast of its own; east learns west's pods from west's.
    @Suite(.serialized, .newestEnvoyOnly) struct PeerBenchTests {
        private func west(_ bench: Bench) -> String {
            """
            cluster: west
            state: west-state
            xds:
              listen: "\(bench.network)5:\(Bench.xdsPort)"
              tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt, allow: ["spiffe://mesh.example/client"]}
            admin: {listen: "\(bench.network)5:\(Bench.adminPort)"}
            clusters:
              west: {endpoints: {file: west.yaml}, gateways: ["\(bench.network)1:15443"], reach: pods}
            services: {httpbin: {}}
            export:
              east: {identity: "spiffe://mesh.example/peer", services: [httpbin]}

            """
        }

        private func east(_ bench: Bench) throws -> String {
            try bench.template("ballast.yaml")
                .replacingOnce(
                    "    endpoints: {file: west.yaml}\n",
                    with: """
                            endpoints:
                              ballast:
                                address: "\(bench.network)5:\(Bench.xdsPort)"
                                services: [httpbin]
                                addresses: [loopback]
                                tls: {certificate: certs/peer.crt, key: certs/peer.key, ca: certs/ca.crt, serverName: ballast.example}

                        """
                )
                .replacingOnce(
                    "    gateways: [\"\(bench.network)1:15443\"]    # pods are reached through it; without gateways, directly\n",
                    with: "")
                + "state: east-state\n"
        }

        /// The gateway of west, which west's Ballast tells its pods over mutual TLS.
        private func startGateway(_ bench: Bench) async throws {
            let config = try bench.template("gateway.yaml")
                .replacingOnce(
                    "address: \(bench.network)1, port_value: 18000",
                    with: "address: \(bench.network)5, port_value: 18000"
                )
                .replacingOnce("  - name: ballast\n    type: STATIC", with: transportSocket)
            try await bench.startEnvoy("gateway", config, bench.gateway(), concurrency: 2)
        }

        private func startWest(_ bench: Bench) async throws {
            try await bench.startBallast(name: "west", config: "west-ballast.yaml", at: "\(bench.network)5")
        }

        private struct Readiness: Decodable {
            struct Source: Decodable {
                var cluster: String?
                var synced: Bool
                var stale: String?
            }
            var sources: [Source]
        }

        /// Why east's Ballast takes west to be out of date.
        private func stale(_ bench: Bench) async throws -> String? {
            let answer = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/readyz")
            return try JSONDecoder().decode(Readiness.self, from: Data(answer.body.utf8)).sources
                .first { $0.cluster == "west" }?.stale
        }

        /// How many resources west's Ballast has sent since it started.
        private func sent(_ bench: Bench) async throws -> String? {
            try await HTTPConnection.get(host: "\(bench.network)5", port: Bench.adminPort, "/metrics").body
                .split(separator: "\n").first { $0.hasPrefix("ballast_pushed_resources_total") }
                .flatMap { $0.split(separator: " ").last.map(String.init) }
        }

        @Test func `west's Ballast is killed, stopped and started again under load, and its pods are scaled`()
            async throws
        {
            try await withBench { bench in
                let all = (1...6).map { "w\($0)" }
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(["w1", "w2", "w3"].map(bench.pod), in: "west")
                try bench.write(west(bench), to: "west-ballast.yaml")
                try bench.write(east(bench), to: "ballast.yaml")
                try await bench.startPods(["e1", "e2"] + all)
                try await startWest(bench)
                try await startGateway(bench)
                try await bench.startBallast()
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
                let updates = { @Sendable in try await bench.client.stat("cluster.httpbin.update_success") }

                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    let reach = { (pods: [String], what: String) async throws in
                        let start = load.result
                        try await eventually(what) {
                            Set((load.result - start).byPod.filter { $0.value > 5 }.keys).isSuperset(of: pods)
                        }
                    }
                    try await reach(["e1", "e2", "w1", "w2", "w3"], "all pods are reached")
                    try bench.publish(all.map(bench.pod), in: "west")
                    try await reach(all, "so are those that west's file has more")

                    // Killed: the last state stays, and is shown to be old.
                    var before = try await updates()
                    try bench.process("west").signal(SIGKILL)
                    _ = try await bench.process("west").waitForExit()
                    try await eventually("stale") {
                        try await stale(bench)?.contains("ballast \(bench.network)5") == true
                    }
                    try await reach(all, "all are reached without it")
                    try await startWest(bench)
                    try await eventually("synced again") { try await stale(bench) == nil }
                    #expect(try await sent(bench) == "0", "nothing that has not changed is sent again")
                    #expect(try await updates() == before)

                    // Cut off: it is there, and says nothing.
                    try bench.process("west").signal(SIGSTOP)
                    try await eventually("stale") { try await stale(bench)?.contains("has not answered") == true }
                    try bench.publish(["w1", "w2", "w3"].map(bench.pod), in: "west")
                    try await reach(all, "all are reached without it")
                    before = try await updates()
                    try bench.process("west").signal(SIGCONT)
                    try await eventually("synced again") { try await stale(bench) == nil }
                    try await eventually("what changed meanwhile arrives") {
                        try await bench.services().services.first?.intended.first { $0.cluster == "west" }?.pods.count
                            == 3
                    }
                    try await eventually("at the client, too") { try await updates() > before }
                    let start = load.result
                    try await eventually("the load goes on") { load.result.requests > start.requests + 500 }
                    #expect(try await stale(bench) == nil)
                }
                let log = try bench.process("client").log
                #expect(result.failed == 0, "of \(result.requests): \(log.suffix(1_000))")
            }
        }
    }
}
