import Foundation
import Model
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// What Ballast does without its sources, with and without what it knew before.
    @Suite(.serialized, .newestEnvoyOnly) struct StateTests {
        private func hideSources(_ bench: Bench) throws {
            for file in ["east.yaml", "west.yaml"] {
                try FileManager.default.removeItem(atPath: "\(bench.directory)/\(file)")
            }
        }

        private func get(_ bench: Bench, _ path: String) async throws -> HTTPAnswer {
            try await HTTPConnection.get(host: bench.host, port: Bench.adminPort, path)
        }

        @Test func `with an empty disk and no source there is no answer, and no empty assignment`() async throws {
            try await withBench { bench in
                try bench.write(bench.template("ballast.yaml") + "state: state\n", to: "ballast.yaml")
                try await bench.startPods(["e1", "e2"])
                try bench.write("", to: "gateway-endpoints.yaml")
                try hideSources(bench)
                try await bench.startBallast(untilReady: false)
                try await eventually("alive") { try await get(bench, "/healthz").status == 200 }
                let config = try bench.clientConfig(.http2)
                    .replacingOnce(
                        "resource_api_version: V3", with: "resource_api_version: V3\n        initial_fetch_timeout: 2s")
                try await bench.startEnvoy("client", config, bench.client, concurrency: 1)
                #expect(try await get(bench, "/readyz").status == 503)
                #expect(try await bench.client.stat("cluster.httpbin.update_success") == 0)
                #expect(try await bench.client.stat("cluster.httpbin.update_empty") == 0)
                #expect(try await bench.isServed("east-client", at: bench.host), "it has asked")

                // The sources come: now there is an answer.
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish([], in: "west")
                try await eventually("served") { try await Load.run(20, on: bench).failed == 0 }
                try await eventually("kept") {
                    FileManager.default.fileExists(atPath: "\(bench.directory)/state/east.state")
                }
            }
        }

        @Test func `with what it knew before, it serves, and says that it is old`() async throws {
            try await withBench { bench in
                try bench.write(bench.template("ballast.yaml") + "state: state\n", to: "ballast.yaml")
                try await bench.startAll()
                #expect(try await Load.run(100, on: bench).failed == 0)
                await bench.stop("client")
                await bench.stop("ballast")
                try hideSources(bench)

                try await bench.startBallast()
                try await eventually("it says that it is old, and why") {
                    let ready = try await get(bench, "/readyz").body
                    return ready.contains("is served; it has not delivered since this start")
                        && ready.contains("no such file")
                }
                try await bench.startClient(.http2)
                let result = try await Load.run(600, on: bench)
                #expect(result.failed == 0)
                #expect(result.byPod.keys.contains("e1") && result.byPod.keys.contains { $0.hasPrefix("w") })
                let service = try await get(bench, "/v1/services/httpbin").body
                #expect(service.contains("\"stale\"") && service.contains("\"confirmed\""))

                // The sources come back, one as it was and one with another pod.
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(["w1", "w2"].map(bench.pod), in: "west")
                try await eventually("up to date") { try await !get(bench, "/readyz").body.contains("stale") }
            }
        }

        @Test(arguments: [["e1"], []] as [[String]])
        func `what vanished from a file while it was down is held after the start, and no request fails`(
            left: [String]
        ) async throws {
            try await withBench { bench in
                try bench.write(
                    bench.template("ballast.yaml").replacingOnce("guard: off", with: "guard: on") + "state: state\n",
                    to: "ballast.yaml")
                let all = (1...5).map { "e\($0)" }
                try await bench.startPods(all)
                try bench.routeGateway(to: [])
                try await bench.startGateway()
                try bench.publish(all.map(bench.pod), in: "east")
                try bench.publish([], in: "west")
                try await bench.startBallast()
                try await bench.startClient(.http2)
                try await bench.waitUntilApplied(audience: .plain)
                #expect(try await Load.run(100, on: bench).byPod.count == 5)
                await bench.stop("ballast")
                try bench.publish(left.map(bench.pod), in: "east")
                try await bench.startBallast()
                try await eventually("held") {
                    try await get(bench, "/readyz").body.contains("its source names \(left.count) of 5 pods")
                }
                let result = try await Load.run(100, on: bench)
                #expect(result.failed == 0 && result.byPod.count == 5, "\(result.byPod)")
                try run(
                    tools.ballast, ["release", "httpbin", "--admin", "http://\(bench.host):\(Bench.adminPort)"],
                    directory: bench.directory)
                try await eventually("let go") {
                    try await bench.client.weights(of: "httpbin").count == left.count
                }
            }
        }

        @Test func `a torn file is set aside with its reason, and not half read`() async throws {
            try await withBench { bench in
                try bench.write(bench.template("ballast.yaml") + "state: state\n", to: "ballast.yaml")
                try await bench.startBallast()
                await bench.stop("ballast")
                let file = "\(bench.directory)/state/west.state"
                let data = try Data(contentsOf: URL(fileURLWithPath: file))
                try data.dropLast(5).write(to: URL(fileURLWithPath: file))
                try FileManager.default.removeItem(atPath: "\(bench.directory)/west.yaml")
                try await bench.startBallast(untilReady: false)
                try await eventually("said") {
                    try bench.process("ballast").log.contains("it is torn or damaged")
                }
                // It says so before it listens.
                try await eventually("not ready") { try await get(bench, "/readyz").status == 503 }
                #expect(FileManager.default.fileExists(atPath: "\(file).unusable"))
            }
        }

        /// Whether this user may mount a file system of its own.
        private static let mayMount =
            (try? run("unshare", ["--user", "--map-root-user", "--mount", "true"], directory: "/")) != nil

        @Test(.enabled(if: mayMount), arguments: ["size=16k", "ro"])
        func `a disk that is full or can't be written costs a warning`(_ options: String) async throws {
            try await withTemporaryDirectory { directory in
                let script = """
                    #!/bin/bash
                    export STATE="\(directory)/bench/state"
                    exec unshare --user --map-root-user --mount bash -c \
                    'mkdir -p "$STATE" && mount -t tmpfs -o \(options) tmpfs "$STATE" && exec \(tools.ballast) "$@"' bash "$@"
                    """
                try script.write(toFile: "\(directory)/ballast", atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(directory)/ballast")
                let bench = try Bench(
                    BenchTools(ballast: "\(directory)/ballast", envoy: tools.envoy, configs: tools.configs),
                    directory: "\(directory)/bench")
                try bench.write(bench.template("ballast.yaml") + "state: state\n", to: "ballast.yaml")
                let pods = { (count: Int) in
                    "services:\n  httpbin:\n"
                        + (0..<count).map { "    - {name: p\($0), address: \"10.0.\($0 / 250).\($0 % 250 + 1):80\"}\n" }
                        .joined()
                }
                do {
                    try bench.write(pods(2_000), to: "east.yaml")
                    try await bench.startBallast()
                    try await eventually("warned") {
                        try bench.process("ballast").log.contains("the last known state can't be written")
                    }
                    try bench.write(pods(2_001), to: "east.yaml")
                    try await eventually("it goes on") {
                        try await get(bench, "/readyz").body.contains("\"pods\" : 2001")
                    }
                } catch {
                    await bench.stop()
                    throw error
                }
                await bench.stop()
            }
        }
    }
}
