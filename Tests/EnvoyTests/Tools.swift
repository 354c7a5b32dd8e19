import Foundation
import TestBench
import TestSupport

/// What the tests run: the `ballast` that was built with them, and Envoy from the setup.
let tools = BenchTools(
    ballast: URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
        "ballast"
    ).path,
    envoy: "\(repository)/.build/venv/bin/envoy", configs: "\(repository)/envoy-configs"
)

/// A bench in a directory of its own, whose processes end with `body`.
func withBench(_ body: (Bench) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let bench = try Bench(tools, directory: "\(directory)/bench")
        do {
            try await body(bench)
        } catch {
            await bench.stop()
            throw error
        }
        await bench.stop()
    }
}

extension Bench {
    /// Two pods in east, three in west, the gateway, Ballast and the client.
    func startAll(_ upstream: UpstreamProtocol = .http2) async throws {
        try publish(["e1", "e2"].map(pod), in: "east")
        try publish(["w1", "w2", "w3"].map(pod), in: "west")
        try await startPods(["e1", "e2", "w1", "w2", "w3"])
        try await startGateway()
        try await startBallast()
        try await startClient(upstream)
    }
}
