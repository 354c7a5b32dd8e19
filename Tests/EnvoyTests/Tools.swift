import Foundation
import TestBench
import TestSupport
import Testing

/// What the tests run: the `ballast` that was built with them, and Envoy from the setup.
let tools = BenchTools(
    ballast: URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
        "ballast"
    ).path,
    envoy: "\(repository)/.build/venv/bin/envoy", configs: "\(repository)/envoy-configs"
)

/// Tests that share the machine's few cores one after the other: what they measure is not to be disturbed.
@Suite(.serialized) enum EnvoyTests {}

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

/// A stage on a bench of its own.
func withStage(_ body: @Sendable (Stage) async throws -> Void) async throws {
    try await withBench { bench in
        try await Stage.prepare(bench)
        try await body(Stage(bench, .http2, workers: 2))
    }
}
