import Balancing
import Foundation

/// The story that the bench tells, scene by scene.
public struct Story: Sendable {
    private let bench: Bench
    private let upstream: Bench.UpstreamProtocol
    private let say: @Sendable (String) -> Void

    /// A story on a bench that hasn't been started.
    ///
    /// `say` is told how it goes.
    public init(_ bench: Bench, _ upstream: Bench.UpstreamProtocol, say: @escaping @Sendable (String) -> Void) {
        self.bench = bench
        self.upstream = upstream
        self.say = say
    }

    /// Plays all scenes, each with this many requests.
    ///
    /// The bench still runs at the end.
    public func play(requests: Int = 1_200) async throws -> [Report.Scene] {
        try await start()
        var scenes = [try await scene("one pod each, gateway imported as one endpoint", ["e1"], ["w1"], requests)]

        say("east scales to 2")
        try await bench.startPods(["e2"])
        try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
        try await waitForWeights(["e1": 1, "e2": 1, "gateway": 1])
        scenes.append(try await scene("east scaled to 2", ["e1", "e2"], ["w1"], requests))

        say("west scales to 3; its gateway stays one endpoint like any other")
        try await bench.startPods(["w2", "w3"])
        try bench.publish(["w1", "w2", "w3"].map(bench.pod), in: "west")
        scenes.append(try await scene("west scaled to 3, unweighted", ["e1", "e2"], ["w1", "w2", "w3"], requests))

        say("Ballast weighs the gateway by the pods behind it")
        try bench.write(bench.template("ballast.yaml"), to: "ballast.yaml")
        try bench.process("ballast").signal(SIGHUP)
        try await waitForWeights(["e1": 1, "e2": 1, "gateway": 3])
        scenes.append(try await scene("west scaled to 3, weighted", ["e1", "e2"], ["w1", "w2", "w3"], requests))
        return scenes
    }

    /// Starts everything with one pod on each side, and west's gateway imported as federation tools do: as one
    /// endpoint.
    private func start() async throws {
        say("starting Ballast and Envoys (\(upstream.rawValue) upstream)")
        try bench.publish([bench.pod("e1")], in: "east")
        try bench.publish([bench.pod("w1")], in: "west")
        try bench.write(
            "services: {httpbin: [{name: west-gateway, address: \"\(bench.host):15443\"}]}\n", to: "west-imported.yaml"
        )
        try bench.write(Self.importGateway(in: bench.template("ballast.yaml")), to: "ballast.yaml")
        try await bench.startPods(["e1", "w1"])
        try await bench.startGateway()
        try await bench.startBallast()
        try await bench.startClient(upstream)
        try await waitForWeights(["e1": 1, "gateway": 1])
    }

    /// The configuration with west's gateway as if it were west's only pod.
    static func importGateway(in configuration: String) -> String {
        configuration.replacing("{file: west.yaml}", with: "{file: west-imported.yaml}")
            .split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.contains("gateways:") && !$0.contains("reach:") }
            .joined(separator: "\n")
    }

    private func scene(_ name: String, _ east: [String], _ west: [String], _ requests: Int) async throws -> Report.Scene
    {
        let pods = east + west
        let before = try await bench.requestCounts(pods)
        let load = try await Load.run(requests, on: bench)
        let after = try await bench.requestCounts(pods)
        let scene = Report.Scene(
            name: name, reach: "gateway", protocol: upstream.rawValue, requests: requests, failed: load.failed,
            connections: try await bench.client.stat("cluster.httpbin.upstream_cx_total"),
            ideal: try ideal(east, west).mapValues { $0 * Double(requests) },
            measured: after.merging(before, uniquingKeysWith: -)
        )
        let shares = pods.map { "\($0) \(scene.measured[$0, default: 0] * 100 / requests)%" }
        say("\(name): \(shares.joined(separator: "  "))  failed \(scene.failed)")
        return scene
    }

    /// What the balancer intends where every pod counts the same.
    private func ideal(_ east: [String], _ west: [String]) throws -> [String: Double] {
        let mesh = Mesh(
            clusters: [Cluster(name: "east"), Cluster(name: "west")],
            pods: ["east": ["httpbin": try east.map(bench.pod)], "west": ["httpbin": try west.map(bench.pod)]]
        )
        let shares = mesh.assign(Service(name: "httpbin"), from: "east").shares
        return Dictionary(uniqueKeysWithValues: shares.flatMap(\.pods).map { ($0.name, $0.share) })
    }

    /// Waits until the client has applied exactly these endpoints.
    private func waitForWeights(_ expected: [String: Int]) async throws {
        let addresses = try Dictionary(
            uniqueKeysWithValues: expected.map { name, weight in
                (name == "gateway" ? "\(bench.host):15443" : try bench.pod(name).address.description, weight)
            }
        )
        try await eventually("the client has \(expected)") {
            try await bench.client.weights(of: "httpbin") == addresses
        }
    }

    /// Changes an endpoints file again and again, and times each change from the rename until the client has applied
    /// it.
    public func measureChanges(_ count: Int = 100) async throws -> Report.Latency {
        var durations: [Duration] = []
        let clock = ContinuousClock()
        for change in 0..<count {
            let updates = try await bench.client.stat("cluster.httpbin.update_success")
            let pods = try ["e1", "e2"].map { name in
                var pod = try bench.pod(name)
                if name == "e2", let weight = Weight(change % 2 + 2) { pod.weight = weight }
                return pod
            }
            let start = clock.now
            try bench.publish(pods, in: "east")
            try await eventually(every: .milliseconds(1), "the client applies change \(change)") {
                try await bench.client.stat("cluster.httpbin.update_success") > updates
            }
            durations.append(clock.now - start)
        }
        return Report.Latency(durations)
    }
}
