import EnvoyAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

private let east = ["e1", "e2"]
private let west = ["w1", "w2", "w3"]

extension EnvoyTests {
    @Suite(.serialized) struct ChangeTests {
        @Test(arguments: ["DELTA_GRPC", "GRPC"])
        func `a reach that changes under load fails no request`(variant: String) async throws {
            try await withStage { stage in
                let bench = stage.bench
                try await stage.open(Plan(.pods), east: east, west: west)
                await bench.stop("client")
                let config = try bench.wholeClientConfig().replacingOnce(
                    "api_type: DELTA_GRPC", with: "api_type: \(variant)")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 2)
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for reach in [Plan.Reach.lanes, .pods, .connect, .refresh, .connect, .lanes, .refresh, .pods] {
                        var plan = Plan(reach)
                        plan.gateways = [1]
                        try await stage.reload(plan)
                        try await stage.wait(plan)
                        let start = load.result
                        try await eventually("requests by \(reach.rawValue)") {
                            load.result.requests > start.requests + 200
                        }
                        let pods = (load.result - start).byPod.keys
                        #expect(pods.contains { $0.hasPrefix("w") }, "\(reach.rawValue)")
                    }
                    // What the last change left behind goes a few seconds later, under load too.
                    try await eventually("the internal listener is the only one") {
                        try await bench.client.clusters == ["ballast", "httpbin", "west_gateway"]
                    }
                }
                let log = try bench.process("client").log
                #expect(result.failed == 0, "of \(result.requests): \(log.suffix(2_000))")
                #expect(try await bench.client.stat("cluster_manager.cds.update_rejected") == 0)
                #expect(try await bench.client.stat("listener_manager.lds.update_rejected") == 0)
            }
        }

        @Test func `clusters, services, gateways and weights that come and go under load fail no request`() async throws
        {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await stage.open(plan, east: east, west: west)
                try await bench.startGateway(.allClusters, name: "north-gateway", at: 7, of: "north")
                let base = plan.configuration(bench, .http2)
                let north = try base.replacingOnce(
                    "services:\n",
                    with: """
                          north:
                            locality: {region: north}
                            endpoints: {file: north.yaml}
                            gateways: ["\(bench.network)7:15443"]
                            reach: pods
                        services:
                          extra: {resources: [extra]}

                        """)
                var twoGateways = plan
                twoGateways.gateways = [1, 2]
                var heavy = plan
                heavy.westMultiplier = "3"
                let changes = [
                    twoGateways.configuration(bench, .http2), north, base, heavy.configuration(bench, .http2), north,
                    base,
                ]
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for configuration in changes {
                        try bench.publish(["w5", "w6"].map(bench.pod), in: "north")
                        try await stage.reload(configuration)
                        let isThere = configuration == north
                        try await eventually("north is \(isThere ? "there" : "gone")") {
                            let endpoints = try await bench.client.endpoints(of: "httpbin").keys
                            return endpoints.contains("north_gateway/w5.httpbin.north.ballast") == isThere
                        }
                        let start = load.result
                        try await eventually("requests") { load.result.requests > start.requests + 300 }
                        let counts = (load.result - start).byPod
                        // A request may have been on its way when the change came.
                        #expect((counts["w5"] ?? 0 > 5) == isThere, "\(counts)")
                    }
                    try await eventually("north's gateway is forgotten") {
                        try await !bench.client.clusters.contains("north_gateway")
                    }
                }
                let log = try bench.process("client").log
                #expect(result.failed == 0, "of \(result.requests): \(log.suffix(2_000))")
            }
        }

        @Test func `all of a remote cluster's pods are replaced under load, and no request fails`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                let plan = Plan(.pods)
                try await stage.open(plan, east: [], west: ["w1", "w2"])
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    for pods in [["w3", "w4"], ["w1", "w2"], ["w5", "w6"], ["w1", "w2"]] {
                        try await stage.scale("west", to: pods, plan)
                        let start = load.result
                        try await eventually("both answer") {
                            Set((load.result - start).byPod.filter { $0.value > 20 }.keys).isSuperset(of: pods)
                        }
                    }
                }
                let log = try bench.process("client").log
                #expect(result.failed == 0, "of \(result.requests): \(log.suffix(2_000))")
            }
        }

        @Test func `a pod that drains, in the file and then for good, fails no request`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                try await stage.open(Plan(.pods), east: east, west: west)
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    var draining = try bench.pod("w3")
                    draining.health = .draining
                    try bench.publish([bench.pod("w1"), bench.pod("w2"), draining], in: "west")
                    try await stage.wait(Plan(.pods))
                    let before = load.result
                    try await eventually("requests go on") { load.result.requests > before.requests + 400 }
                    // One request may have been on its way on each of four connections.
                    #expect((load.result - before).byPod["w3", default: 0] <= 4)
                    try await stage.scale("west", to: ["w1", "w2"], Plan(.pods))
                    await bench.stop("w3")
                    let gone = load.result
                    try await eventually("requests go on") { load.result.requests > gone.requests + 400 }
                    try await eventually("its gateway forgets it") {
                        try await !bench.gateway(at: 1).clusters.contains("w3.httpbin.west.ballast")
                    }
                }
                let log = try bench.process("client").log
                #expect(result.failed == 0, "of \(result.requests): \(log.suffix(2_000))")
            }
        }

        @Test(arguments: ["DELTA_GRPC", "GRPC"])
        func `Ballast killed and back: no request fails, nothing comes again, and new pods do`(variant: String)
            async throws
        {
            try await withStage { stage in
                let bench = stage.bench
                try await stage.open(Plan(.pods), east: east, west: ["w1"])
                await bench.stop("client")
                let config = try bench.wholeClientConfig().replacingOnce(
                    "api_type: DELTA_GRPC", with: "api_type: \(variant)")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 2)
                let updates = { @Sendable in
                    var counts: [Int] = []
                    for stat in ["cluster_manager.cds", "listener_manager.lds", "cluster.httpbin"] {
                        counts.append(try await bench.client.stat("\(stat).update_success"))
                    }
                    return counts
                }
                let result = try await Load(bench).around(pause: .milliseconds(1)) { load in
                    // A gateway asks for a pod on its first connection: without Ballast there is nobody to tell it.
                    try await eventually("every pod answers") {
                        (east + ["w1"]).allSatisfy { load.result.byPod[$0, default: 0] > 10 }
                    }
                    let before = try await updates()
                    let ballast = try bench.process("ballast")
                    ballast.signal(SIGKILL)
                    _ = await ballast.waitForExit()
                    let start = load.result
                    try await eventually("requests go on without it") { load.result.requests > start.requests + 200 }
                    try await bench.startBallast()
                    try await eventually("client and gateways are back") {
                        let page = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients")
                        return ["my-envoy", "gateway-1"].allSatisfy(page.body.contains)
                    }
                    let after = try await updates()
                    #expect(after == before, "clusters, listeners, endpoints")
                    try await stage.scale("west", to: ["w1", "w2"], Plan(.pods))
                    try await eventually("the new pod answers") { load.result.byPod["w2", default: 0] > 10 }
                }
                #expect(result.failed == 0, "of \(result.requests)")
            }
        }

        @Test func `connect: the client's own health checks see each pod`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                var plan = Plan(.connect)
                plan.checksHealth = true
                try await stage.open(plan, east: east, west: west)
                let failing = { @Sendable (pod: String) in
                    try await bench.client.page("/clusters").split(separator: "\n").contains {
                        $0.contains("::\(try bench.pod(pod).address)::health_flags::")
                            && $0.contains("failed_active_hc")
                    }
                }
                await bench.stop("w2")
                try await eventually("w2 is found failed") { try await failing("w2") }
                for pod in ["w1", "w3"] { #expect(try await !failing(pod)) }
                let result = try await Load.run(200, on: bench)
                #expect(result.failed == 0 && result.byPod["w2"] == nil)
            }
        }

        @Test func `pods behind internal listeners are left out of the client's health checks`() async throws {
            try await withStage { stage in
                var plan = Plan(.pods)
                plan.checksHealth = true
                try await stage.open(plan, east: east, west: west)
                try await eventually("checks ran, and every pod is healthy") {
                    let client = stage.bench.client
                    let checks = try await client.stat("cluster.httpbin.health_check.success")
                    let healthy = try await client.stat("cluster.httpbin.membership_healthy")
                    return checks > 10 && healthy == east.count + west.count
                }
                let result = try await Load.run(500, on: stage.bench)
                // A check whose result changes during the load starts the round of the pods again.
                #expect(
                    result.failed == 0 && result.byPod.count == 5
                        && result.byPod.values.allSatisfy { (98...102).contains($0) }, "\(result.byPod)")
            }
        }

        @Test(.enabled(if: envoyVersion < .firstWithOnDemandClusters))
        func `a gateway that asks on demand, and is too old for it, gets a note`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                await bench.stop("gateway-1")
                try await bench.startGateway(.onDemand, name: "gateway-1", at: 1)
                try await stage.open(Plan(.pods), east: east, west: ["w1"])
                _ = try await Load.run(20, on: bench)
                let page = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients").body
                #expect(page.contains("Envoy \(envoyVersion) drops all but the first"))
                #expect(try bench.process("ballast").log.contains("a gateway is too old for what it does"))
            }
        }

        @Test(arguments: gatewayKinds) func `a gateway refuses names and addresses that are not its cluster's pods`(
            kind: Bench.GatewayKind
        ) async throws {
            try await withStage { stage in
                let bench = stage.bench
                await bench.stop("gateway-1")
                try await bench.startGateway(kind, name: "gateway-1", at: 1)
                try await stage.open(Plan(.connect), east: east, west: ["w1"])
                let connect = { (address: String) in
                    try run(
                        "bash",
                        [
                            "-c",
                            """
                            exec 3<>/dev/tcp/\(bench.network)1/15443
                            printf 'CONNECT \(address) HTTP/1.1\\r\\nHost: \(address)\\r\\n\\r\\n' >&3
                            head -n 1 <&3
                            """,
                        ],
                        directory: bench.directory)
                }
                #expect(try connect(bench.pod("w1").address.description).contains("200"))
                for other in [
                    try bench.pod("e1").address.description, "\(bench.host):9902",
                    try bench.pod("w2").address.description,
                ] {
                    #expect(try connect(other).contains("503"), "\(other)")
                }
                #expect(try !connect("ballast").contains(" 200 "), "Ballast itself is no pod")
                try await stage.reload(Plan(.pods))
                try await stage.wait(Plan(.pods))
                let handshake = { (name: String) in
                    try run(
                        "bash",
                        [
                            "-c",
                            "openssl s_client -connect \(bench.network)1:15443 -servername \(name) </dev/null 2>&1 || true",
                        ],
                        directory: bench.directory)
                }
                #expect(try handshake("w1.httpbin.west.ballast").contains("BEGIN CERTIFICATE"))
                #expect(
                    try handshake(Certificates.serviceName).contains("BEGIN CERTIFICATE"), "the service's own SNI works"
                )
                for other in ["e1.httpbin.east.ballast", "ballast"] {
                    #expect(try !handshake(other).contains("BEGIN CERTIFICATE"), "\(other)")
                }
                #expect(try await bench.gateway(at: 1).stat("cluster.ballast.upstream_cx_total") <= 2, "its own only")
            }
        }

        @Test func `a gateway that is given by name is resolved by the client`() async throws {
            try await withStage { stage in
                let bench = stage.bench
                let port = Int.random(in: 20_000...30_000)
                let config = try bench.template("gateway.yaml")
                    .replacingOnce(
                        "{address: \(bench.host), port_value: 15443}", with: "{address: 127.0.0.1, port_value: \(port)}"
                    )
                    .replacingOnce(
                        "{address: \(bench.host), port_value: 9902}",
                        with: "{address: \(bench.network)6, port_value: 9902}"
                    )
                try await bench.startEnvoy("named", config, bench.gateway(at: 6), concurrency: 1)
                let plan = Plan(.pods)
                try await stage.open(plan, east: east, west: west)
                let named = try plan.configuration(bench, .http2).replacingOnce(
                    "\(bench.network)1:15443", with: "localhost:\(port)")
                try await stage.reload(named)
                await bench.stop("gateway-1")
                try await eventually("the client goes through the other gateway") {
                    let result = try await Load.run(20, on: bench)
                    return result.failed == 0 && result.byPod.count == 5
                }
                #expect(try await bench.gateway(at: 6).clusters.contains("w1.httpbin.west.ballast"))
            }
        }
    }
}
