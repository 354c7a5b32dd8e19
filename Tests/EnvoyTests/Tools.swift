import EnvoyAPI
import Foundation
import Model
import TestBench
import Testing
import TestSupport

/// The Envoy that is tested with: `BALLAST_ENVOY`, or the newest.
let envoyVersion: EnvoyVersion = {
    guard let text = ProcessInfo.processInfo.environment["BALLAST_ENVOY"] else { return newestEnvoy }
    let parts = text.split(separator: ".").compactMap { Int($0) }
    guard parts.count == 3 else { preconditionFailure("BALLAST_ENVOY: \(text) is no version, such as 1.36.4") }
    return EnvoyVersion(parts[0], parts[1], parts[2])
}()

/// What users are pointed to.
let newestEnvoy = EnvoyVersion(1, 40, 0)

extension Trait where Self == ConditionTrait {
    /// Runs with the newest Envoy only: what is tested does not depend on Envoy's version.
    static var newestEnvoyOnly: Self { .enabled(if: envoyVersion == newestEnvoy) }
}

/// What the tests run: the `ballast` that was built with them, and Envoy from the setup.
let tools = BenchTools(
    ballast: URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
        "ballast"
    ).path,
    envoy: "\(repository)/.build/\(envoyVersion == newestEnvoy ? "venv" : "envoy-\(envoyVersion)")/bin/envoy",
    configs: "\(repository)/envoy-configs"
)

/// The kinds of gateway that Ballast tells pods, as far as this Envoy can be one.
let gatewayKinds: [Bench.GatewayKind] = [.allClusters] + (envoyVersion < .firstWithOnDemandClusters ? [] : [.onDemand])

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

extension Bench {
    /// Scales west from one published pod to six, two and four under load, and expects no failed request, and exact shares
    /// for the last six pods.
    ///
    /// A pod that goes is draining for a while, as Kubernetes has it.
    func scalePublishedPods() async throws {
        @Sendable func has(_ count: Int) async throws {
            try await eventually("the client has \(count) endpoints") {
                try await client.endpoints(of: "httpbin").count == count
            }
        }
        try await has(3)
        let result = try await Load(self).around(pause: .milliseconds(1)) { load in
            for pods in [["w1", "w2", "w3", "w4", "w5", "w6"], ["w1", "w4"], ["w1", "w4", "w2", "w5"]] {
                var served = try pods.map(pod)
                for gone in try load.result.byPod.keys.filter({ $0.hasPrefix("w") && !pods.contains($0) }) {
                    var pod = try pod(gone)
                    pod.health = .draining
                    served.append(pod)
                }
                try publish(served, in: "west")
                try await eventually("the client has pods \(pods)") {
                    let start = load.result
                    try await eventually("some requests") { load.result.requests > start.requests + 200 }
                    return Set((load.result - start).byPod.keys) == Set(pods + ["e1", "e2"])
                }
                try publish(pods.map(pod), in: "west")
                try await has(2 + pods.count)
            }
            let end = load.result.requests
            try await eventually("some more requests") { load.result.requests > end + 2_000 }
        }
        #expect(result.failed == 0 && result.requests > 2_000)
        let even = try await Load.run(3_000, on: self)
        #expect(even.failed == 0)
        #expect(even.byPod.count == 6 && even.byPod.values.allSatisfy { abs($0 - 500) <= 8 }, "\(even.byPod)")
    }
}
