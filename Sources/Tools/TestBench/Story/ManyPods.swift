import Balancing
import Foundation
import Model

extension Story {
    /// Puts many pods behind one gateway, and counts their shares.
    ///
    /// The pods are listeners of one Envoy, since this tests only the path to them.
    ///
    /// - Parameter kind: the kind of gateway.
    public func measureManyPods(
        _ count: Int = 200, requests: Int = 40_400, through kind: Bench.GatewayKind = .allClusters
    ) async throws -> Report.ManyPods {
        let plan = Plan(.pods)
        let stage = Stage(bench, .http2, workers: 2)
        try await startManyPods(count)
        // Start with a gateway that has no pods.
        try bench.publish([], in: "west")
        await bench.stop("gateway-1")
        try await bench.startGateway(kind, name: "gateway-1", at: 1)
        let gateway = bench.gateway(at: 1)
        // Pods of earlier scenes are removed from it a little later.
        try await eventually("the gateway knows no pod") {
            try await !gateway.clusters.contains { $0.hasSuffix(".west.ballast") }
        }
        let clustersBefore = try await gateway.clusters.count
        let bytesBefore = try await gateway.allocatedBytes

        try await stage.open(plan, east: ["e1", "e2"], west: [])
        let pods = (1...count).compactMap { number in
            SocketAddress("\(bench.network)5:\(10_000 + number)").map { Pod(name: "p\(number)", address: $0) }
        }
        try bench.publish(pods, in: "west")
        try await stage.wait(plan)
        let result = try await Load.run(requests, on: bench)
        let counts = (["e1", "e2"] + pods.map(\.name)).map { result.byPod[$0] ?? 0 }
        return Report.ManyPods(
            pods: count, requests: requests, failed: result.failed, fewest: counts.min() ?? 0, most: counts.max() ?? 0,
            ideal: Double(requests) / Double(count + 2),
            connections: try await bench.client.stat("cluster.httpbin.upstream_cx_total"),
            gatewayClusters: [clustersBefore, try await gateway.clusters.count],
            gatewayBytes: [bytesBefore, try await gateway.allocatedBytes]
        )
    }

    /// Starts one Envoy with a listener for each pod, which responds with the pod's name.
    private func startManyPods(_ count: Int) async throws {
        let template = try bench.template("bench/pod.yaml")
        let parts = template.components(separatedBy: "  listeners:\n")
        guard parts.count == 2, let end = parts[1].range(of: "\noverload_manager:")?.lowerBound,
            let listenerEnd = parts[1].range(of: "\nlayered_runtime:")?.lowerBound
        else { throw BenchError("bench/pod.yaml has another shape") }
        let listener = parts[1][..<listenerEnd]
        let listeners = (1...count).map { number in
            listener.replacing(
                "\(bench.network)11, port_value: 8443", with: "\(bench.network)5, port_value: \(10_000 + number)"
            )
            .replacing("name: pod\n", with: "name: pod-\(number)\n")
            .replacing("inline_string: \"e1\"", with: "inline_string: \"p\(number)\"")
        }
        let head = parts[0].replacing("\(bench.network)11", with: "\(bench.network)5").replacing(
            "id: e1", with: "id: pods")
        let config = head + "  listeners:\n" + listeners.joined(separator: "\n") + "\n" + parts[1][end...]
        try await bench.startEnvoy("pods", config, EnvoyAdmin(host: "\(bench.network)5", port: 9901), concurrency: 1)
    }
}
