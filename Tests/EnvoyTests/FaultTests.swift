import Foundation
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    @Suite(.serialized) struct FaultTests {
        @Test func `Ballast killed under load and started again: no request fails, and nothing is pushed`() async throws
        {
            try await withBench { bench in
                try await bench.startAll()
                let load = Load(bench)
                let running = Task { await load.runContinuously(pause: .milliseconds(1)) }
                try await eventually("the load runs") { load.result.requests > 200 }
                let updates = try await bench.client.stat("cluster.httpbin.update_success")

                for _ in 0..<3 {
                    try bench.process("ballast").signal(SIGKILL)
                    _ = try await bench.process("ballast").waitForExit()
                    let requests = load.result.requests
                    try await eventually("requests go on without it") { load.result.requests > requests + 200 }
                    try await bench.startBallast()
                    try await eventually("the client is back") {
                        let page = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/clients")
                        return page.body.contains("east-client") && page.body.contains("\"acknowledged\"")
                    }
                }
                #expect(
                    try await bench.client.stat("cluster.httpbin.update_success") == updates,
                    "the same content is not sent again")

                // It still listens: a change arrives.
                try bench.publish([bench.pod("e1")], in: "east")
                try await eventually("the change arrives") {
                    try await bench.client.stat("cluster.httpbin.update_success") == updates + 1
                }
                running.cancel()
                await running.value
                #expect(load.result.failed == 0)
            }
        }

        @Test func `a bad configuration at SIGHUP is refused, and the running one stays`() async throws {
            try await withBench { bench in
                try await bench.startBallast()
                let good = try bench.template("ballast.yaml")
                try bench.write(good.replacingOnce("{west: 1.0}", with: "{west: heavy}"), to: "ballast.yaml")
                try bench.process("ballast").signal(SIGHUP)
                try await eventually("it says why") {
                    try bench.process("ballast").log.contains(
                        "ballast.yaml:26: services.httpbin.weights.west: \"heavy\": should be a number")
                }
                let services = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/services")
                #expect(services.body.contains("\"share\" : 0.6"))

                try bench.write(
                    good.replacingOnce(":\(Bench.adminPort)\"}", with: ":\(Bench.adminPort)\", tokenFile: none}"),
                    to: "ballast.yaml")
                try bench.process("ballast").signal(SIGHUP)
                try await eventually("a file that is missing is a reason, too") {
                    let ready = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/readyz")
                    return ready.body.contains("none: there is no such file")
                }

                try bench.write(good.replacingOnce("{west: 1.0}", with: "{west: 2}"), to: "ballast.yaml")
                try bench.process("ballast").signal(SIGHUP)
                try await eventually("a good one is taken") {
                    let services = try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/services")
                    return services.body.contains("\"share\" : 0.75")
                }
            }
        }

        @Test func `a SIGHUP while it starts does not end it`() async throws {
            try await withBench { bench in
                // Reading this takes it some seconds of CPU time, in a debug build.
                let more = (0..<10_000).map { "  s\($0): {sni: s\($0).mesh.example}\n" }.joined()
                try bench.write(
                    bench.template("ballast.yaml").replacingOnce("services:\n", with: "services:\n\(more)"),
                    to: "big.yaml")
                try await bench.startBallast(config: "big.yaml", untilReady: false)
                let ballast = try bench.process("ballast")
                try await eventually("it has begun to read") { ballast.cpuTime > .milliseconds(400) }
                #expect(!ballast.log.contains("listening"), "and has not come to its end")
                ballast.signal(SIGHUP)
                try await eventually("it is ready") {
                    try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/readyz").status == 200
                }
                #expect(ballast.isRunning)
            }
        }

        @Test(arguments: [SIGTERM, SIGINT]) func `a signal ends it cleanly`(signal: Int32) async throws {
            try await withBench { bench in
                try await bench.startAll()
                let ballast = try bench.process("ballast")
                ballast.signal(signal)
                #expect(await ballast.waitForExit() == 0)
                #expect(ballast.log.contains("xDS server stopped"))
                #expect(try await Load.run(100, on: bench).failed == 0, "the client goes on with what it has")
            }
        }

        @Test func `it is alive, but not ready, until every source has synced`() async throws {
            try await withBench { bench in
                try FileManager.default.removeItem(atPath: "\(bench.directory)/west.yaml")
                try await bench.startBallast(untilReady: false)
                let status = { (path: String) in
                    try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, path)
                }
                try await eventually("it is alive") { try await status("/healthz").status == 200 }
                try await eventually("it says why it isn't ready") {
                    let readiness = try await status("/readyz")
                    return readiness.status == 503 && readiness.body.contains("no such file")
                }
                try bench.publish([bench.pod("w1")], in: "west")
                try await eventually("it is ready") { try await status("/readyz").status == 200 }
                #expect(try await status("/v1/services?view=west").status == 200)
                #expect(try await status("/v1/services?view=north").status == 404)
            }
        }

        @Test func `a start that can't be is one clear line and an exit status`() async throws {
            try await withBench { bench in
                try bench.write("cluster: east\n", to: "ballast.yaml")
                #expect(throws: BenchError.self) {
                    try run(tools.ballast, ["serve", "--config", "ballast.yaml"], directory: bench.directory)
                }
                do {
                    try run(tools.ballast, ["validate", "ballast.yaml"], directory: bench.directory)
                    Issue.record("accepted")
                } catch {
                    #expect(
                        "\(error)".contains("failed (78):\nerror: ballast.yaml:1: the field `clusters` is missing"),
                        "\(error)"
                    )
                }
                try bench.write(bench.template("ballast.yaml"), to: "ballast.yaml")
                #expect(
                    try run(tools.ballast, ["validate", "ballast.yaml"], directory: bench.directory)
                        == """
                        httpbin, for clients in east: east 40 % (2 of 2 pods healthy, reached directly); west 60 % (3 of 3 pods \
                        healthy, each reached by its own SNI)
                        ballast.yaml: good

                        """)
                #expect(try run(tools.ballast, ["--version"], directory: bench.directory).hasPrefix("0."))

                let west = try bench.template("west.yaml")
                try bench.write(west.replacingOnce("name: w1", with: "name: w.1"), to: "west.yaml")
                #expect(
                    try run(tools.ballast, ["validate", "ballast.yaml"], directory: bench.directory)
                        == """
                        warning: httpbin in west: pod w.1: its name can't be a label of an SNI; reached through its gateways instead
                        httpbin, for clients in east: east 40 % (2 of 2 pods healthy, reached directly); west 60 % (3 of 3 pods \
                        healthy, reached through 1 gateway)
                        ballast.yaml: good, with 1 warning

                        """)
                try bench.write(west, to: "west.yaml")

                try await bench.startBallast()
                for taken in [Bench.xdsPort, Bench.adminPort] {
                    let free = taken == Bench.xdsPort ? Bench.adminPort : Bench.xdsPort
                    try bench.write(
                        bench.template("ballast.yaml").replacingOnce(":\(free)\"", with: ":0\""), to: "second.yaml")
                    do {
                        try run(tools.ballast, ["serve", "--config", "second.yaml"], directory: bench.directory)
                        Issue.record("two servers on one port")
                    } catch {
                        #expect("\(error)".contains("can't listen on \(bench.host):\(taken)"), "\(error)")
                    }
                }
            }
        }
    }
}
