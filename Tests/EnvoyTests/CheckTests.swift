import AdminAPI
import Foundation
import TestBench
import Testing
import TestSupport

/// A fault of an Envoy, and the code that `ballast check` gives it.
struct EnvoyFault: Sendable, CustomTestStringConvertible {
    var name: String
    var code: String
    /// What is replaced in the client's configuration.
    var changes: [(old: String, new: String)]
    /// Requests that it takes to show.
    var requests = 0
    /// The pods that fail meanwhile.
    var failing: [String] = []

    var testDescription: String { name }

    private static let policy = "    lb_policy: ROUND_ROBIN"
    private static let weights = "      locality_weighted_lb_config: {}"
    private static let panic = "      healthy_panic_threshold: {value: 0}"

    static let all: [EnvoyFault] = [
        EnvoyFault(name: "policy RANDOM", code: "BAL207", changes: [(policy, "    lb_policy: RANDOM")]),
        EnvoyFault(name: "policy LEAST_REQUEST", code: "BAL207", changes: [(policy, "    lb_policy: LEAST_REQUEST")]),
        EnvoyFault(name: "no locality weights", code: "BAL208", changes: [(weights, "")]),
        EnvoyFault(name: "zone-aware routing", code: "BAL209", changes: [(weights, "      zone_aware_lb_config: {}")]),
        EnvoyFault(
            name: "no internal listener", code: "BAL210",
            changes: [("  - name: west_gateway                           # where", "  - name: other_gateway  # where")]),
        EnvoyFault(name: "no load reports", code: "BAL204", changes: []),
        EnvoyFault(
            name: "another EDS name", code: "BAL216", changes: [("service_name: httpbin", "service_name: nobody")]),
        EnvoyFault(
            name: "no connection to Ballast", code: "BAL201", changes: [("port_value: 18000", "port_value: 18001")]),
        EnvoyFault(
            name: "an expired certificate", code: "BAL211",
            changes: [
                ("filename: certs/client.crt", "filename: certs/old.crt"),
                ("filename: certs/client.key", "filename: certs/old.key"),
            ]),
        EnvoyFault(name: "one SNI for all", code: "BAL218", changes: [("        auto_host_sni: true\n", "")]),
        EnvoyFault(
            name: "slow start", code: "BAL217",
            changes: [
                (
                    policy,
                    "    lb_policy: ROUND_ROBIN\n    round_robin_lb_config: {slow_start_config: {slow_start_window: 60s}}\n    #"
                )
            ]),
        EnvoyFault(name: "a panic threshold", code: "BAL220", changes: [(panic, "      # healthy_panic_threshold")]),
        EnvoyFault(
            name: "an ejected host", code: "BAL212",
            changes: [
                (
                    policy,
                    "    outlier_detection: {consecutive_5xx: 2, interval: 1s, base_ejection_time: 60s, max_ejection_percent: 100}\n    lb_policy: ROUND_ROBIN"
                )
            ],
            requests: 200, failing: ["e1"]),
        EnvoyFault(
            name: "a circuit breaker", code: "BAL215",
            changes: [
                (
                    policy,
                    "    circuit_breakers: {thresholds: [{max_requests: 1, max_pending_requests: 1}]}\n    lb_policy: ROUND_ROBIN"
                )
            ],
            requests: 2_000),
        EnvoyFault(
            name: "panic", code: "BAL214",
            changes: [
                (panic, "      healthy_panic_threshold: {value: 90}  #"),
                (
                    policy,
                    "    outlier_detection: {consecutive_5xx: 2, interval: 1s, base_ejection_time: 60s, max_ejection_percent: 100}\n    lb_policy: ROUND_ROBIN"
                ),
            ], requests: 400, failing: ["e1", "w1"]),
        EnvoyFault(
            name: "a cluster without EDS", code: "BAL206",
            changes: [
                ("    type: EDS\n", "    type: STATIC\n"),
                (
                    "    eds_cluster_config:\n      service_name: httpbin\n      eds_config:\n        resource_api_version: V3\n        api_config_source:\n          api_type: DELTA_GRPC\n          transport_api_version: V3\n          grpc_services: [{envoy_grpc: {cluster_name: ballast}}]\n",
                    "    load_assignment: {cluster_name: httpbin, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}\n"
                ),
            ]),
    ]
}

extension EnvoyTests {
    /// `ballast check` and `ballast diff` on real Envoys and gateways with faults.
    @Suite(.serialized) struct CheckTests {
        private struct Row: Decodable {
            var place: String
            var state: String
            var code: String
            var says: String
        }

        /// The findings, whatever the exit status.
        private func check(_ bench: Bench, _ arguments: String) throws -> [Row] {
            let text = try run(
                "bash",
                [
                    "-c",
                    "\(tools.ballast) check \(arguments) -o json --admin http://\(bench.host):\(Bench.adminPort) || true",
                ],
                directory: bench.directory)
            return try JSONDecoder().decode([Row].self, from: Data(text.utf8))
        }

        private func start(_ bench: Bench, _ gateway: Bench.GatewayKind) async throws {
            try bench.write(bench.template("ballast.yaml"), to: "ballast.yaml")
            try await bench.startPods(["e1", "e2", "w1", "w2", "w3"])
            try await bench.startBallast()
            try await bench.startGateway(gateway)
        }

        @Test func `what a client should have is what its Envoy says it has`() async throws {
            try await withBench { bench in
                try await start(bench, .allClusters)
                let page = try run(
                    tools.ballast, ["clients", "-o", "json", "--admin", "http://\(bench.host):\(Bench.adminPort)"],
                    directory: bench.directory)
                let clients = try AdminJSON.decode(ClientsPage.self, from: Data(page.utf8)).clients
                let gateway = try #require(clients.first { $0.audience == "gateway" })
                let dump = try await HTTPConnection.get(
                    host: bench.host, port: 9902, "/config_dump?resource=dynamic_active_clusters")
                let configs = try JSONDecoder().decode(JSONValue.self, from: Data(dump.body.utf8))
                guard case .object(let root) = configs, case .array(let entries)? = root["configs"] else {
                    return #expect(Bool(false), "\(dump.body.prefix(300))")
                }
                var compared = 0
                for case .object(let entry) in entries {
                    guard case .object(let cluster)? = entry["cluster"], case .string(let name)? = cluster["name"]
                    else {
                        continue
                    }
                    let text = try run(
                        tools.ballast,
                        ["clients", gateway.node, "--resource", "cds/\(name)"]
                            + ["--admin", "http://\(bench.host):\(Bench.adminPort)"], directory: bench.directory)
                    let served = try AdminJSON.decode(ResourcePage.self, from: Data(text.utf8))
                    #expect(served.resource == .object(cluster), "\(name)")
                    #expect(served.acknowledged != nil && served.acknowledged == served.version)
                    compared += 1
                }
                #expect(compared >= 3, "\(dump.body.prefix(300))")
            }
        }

        @Test func `each of sixteen faults of an Envoy is found, and none where there is none`() async throws {
            try await withBench { bench in
                try await start(bench, .allClusters)
                let certificates = try Certificates(in: "\(bench.directory)/certs")
                try certificates.make("old", ["URI:spiffe://mesh.example/client"], until: Date() - 60)
                let sound = try bench.template("eds-lanes.yaml")
                let envoy = "--envoy http://\(bench.host):9901"
                try await bench.startEnvoy("client", sound, bench.client, concurrency: 1)
                let before = try check(bench, envoy).filter { $0.place != "server" }
                #expect(before.filter { $0.state == "fail" }.isEmpty, "\(before)")
                await bench.stop("client")
                for fault in EnvoyFault.all {
                    var config = sound
                    for (old, new) in fault.changes {
                        config =
                            try config.contains(old)
                            ? config.replacing(old, with: new) : #require(nil, "\(fault.name): \(old)")
                    }
                    if fault.code == "BAL201" || fault.code == "BAL216" {
                        // Otherwise it waits long for what never comes.
                        config = config.replacing(
                            "        resource_api_version: V3\n",
                            with: "        resource_api_version: V3\n        initial_fetch_timeout: 1s\n")
                    }
                    try await bench.startEnvoy("client", config, bench.client, concurrency: 1)
                    for pod in fault.failing { try await bench.setFailing(pod, true) }
                    var found: [Row] = []
                    // Some need requests, or a moment until the state shows.
                    try await eventually("\(fault.name) is found") {
                        if fault.requests > 0 { _ = try await Load.run(fault.requests, on: bench, connections: 16) }
                        found = try check(bench, envoy)
                        return found.contains { $0.code == fault.code && $0.place != "server" }
                    }
                    for pod in fault.failing { try await bench.setFailing(pod, false) }
                    if fault.code != "BAL204", fault.code != "BAL211" {
                        #expect(!before.contains { $0.code == fault.code }, "\(fault.name)")
                    }
                    await bench.stop("client")
                }
            }
        }

        @Test func `a gateway is asked for each SNI: missing, dead, expired and silent pods are told apart`()
            async throws
        {
            try await withBench { bench in
                try await start(bench, .allClusters)
                let gateway = "--gateway http://\(bench.host):9902"
                func codes() throws -> [String: String] {
                    let rows = try check(bench, gateway).filter { $0.place == "gateway" }
                    return Dictionary(
                        rows.compactMap { row in
                            row.says.firstMatch(of: /(w\d)\.httpbin/).map { (String($0.1), row.code) }
                        }, uniquingKeysWith: { first, _ in first })
                }
                try await eventually("all are answered") {
                    try codes() == ["w1": "BAL305", "w2": "BAL305", "w3": "BAL305"]
                }
                await bench.stop("w1")
                try bench.process("w2").signal(SIGSTOP)
                let found = try codes()
                #expect(found == ["w1": "BAL306", "w2": "BAL309", "w3": "BAL305"], "\(found)")
                try bench.process("w2").signal(SIGCONT)
                // A pod with a certificate that has expired.
                let certificates = try Certificates(in: "\(bench.directory)/certs")
                try certificates.make("old", ["URI:spiffe://mesh.example/httpbin"], until: Date() - 60)
                for type in ["crt", "key"] {
                    try FileManager.default.removeItem(atPath: "\(bench.directory)/certs/pod.\(type)")
                    try FileManager.default.copyItem(
                        atPath: "\(bench.directory)/certs/old.\(type)", toPath: "\(bench.directory)/certs/pod.\(type)")
                }
                try await bench.startPods(["w1"])
                try await eventually("the expired certificate is seen") { try codes()["w1"] == "BAL307" }
                // A gateway that knows the service's own SNI only.
                await bench.stop("gateway")
                try bench.routeGateway(to: ["w2", "w3"].map(bench.pod))
                try await bench.startGateway(.passthrough)
                #expect(try codes()["w3"] == "BAL304")
            }
        }

        @Test func `diff shows what an Envoy has and does, and what it finds by itself`() async throws {
            try await withBench { bench in
                try await start(bench, .allClusters)
                try await bench.startEnvoy(
                    "client",
                    bench.template("eds-lanes.yaml").replacing(
                        "    lb_policy: ROUND_ROBIN",
                        with:
                            "    outlier_detection: {consecutive_5xx: 2, interval: 1s, base_ejection_time: 60s, max_ejection_percent: 100}\n    lb_policy: ROUND_ROBIN"
                    ),
                    bench.client, concurrency: 1)
                @Sendable func diff() throws -> String {
                    try run(
                        "bash",
                        [
                            "-c",
                            "\(tools.ballast) diff my-envoy --envoy http://\(bench.host):9901 --seconds 1 --admin http://\(bench.host):\(Bench.adminPort); echo status $?",
                        ], directory: bench.directory)
                }
                let same = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    try await eventually("requests") { load.result.requests > 500 }
                    let text = try diff()
                    #expect(text.contains("0 differences.") && text.contains("status 0"), "\(text)")
                    #expect(text.contains("20 %"), "\(text)")
                }
                #expect(same.failed == 0)
                try await bench.setFailing("e1", true)
                try await eventually("e1 is ejected") {
                    _ = try await Load.run(100, on: bench)
                    let text = try diff()
                    return text.contains("<- outlier detection, by this Envoy alone") && text.contains("1 difference.")
                        && text.contains("status 1")
                }
            }
        }
    }
}
