import Foundation
import Model

/// One scene of the story: changes under load, and what is measured.
public struct Scene: Sendable {
    /// The scene's letter and text.
    public struct Title: Sendable {
        /// A letter, and a number if there are several variants.
        public var id: String
        /// The text that is shown.
        public var text: String
    }

    /// The scene's title.
    public let title: Title
    /// Runs the scene; only the client stays afterwards.
    public let play: @Sendable (Stage, Title) async throws -> Report.Scene

    init(_ id: String, _ text: String, _ play: @escaping @Sendable (Stage, Title) async throws -> Report.Scene) {
        title = Title(id: id, text: text)
        self.play = play
    }

    private static let east = ["e1", "e2"]
    private static let west = ["w1", "w2", "w3"]

    /// All scenes.
    public static let all: [Scene] =
        [
            scaleUp("a", "unweighted: the problem", Plan(.imported)),
            scaleUp("b", "weights only", Plan(.gateway)),
            scaleUp("c", "workaround: 2 requests per connection", Plan(.gateway, requestsPerConnection: 2)),
            scaleUp("d", "gateway, refreshed", Plan(.refresh)),
            scaleUp("e", "lanes", Plan(.lanes)),
            scaleUp("e2", "lanes, gateway picks in turn", Plan(.lanesInTurn)),
            scaleUp("f", "pods", Plan(.pods), requests: 6_000),
            scaleUp("f2", "pods, LEAST_REQUEST", Plan(.pods, policy: .leastRequest), requests: 6_000),
            scaleUp("f3", "pods, RANDOM", Plan(.pods, policy: .random), requests: 6_000),
            scaleUp("f4", "connect", Plan(.connect)),
            churn, gatewayKilled, localPodsUnhealthy, eastScaled, failingPod("k1", .gateway), failingPod("k2", .pods),
            hashed("l1", .gateway), hashed("l2", .pods),
        ]

    /// Scales west from one pod to three while the client has connections, then counts requests.
    static func scaleUp(_ id: String, _ text: String, _ plan: Plan, requests: Int = 1_200) -> Scene {
        Scene(id, text) { stage, title in
            try await stage.open(plan, east: east, west: ["w1"])
            // This many connections reach every worker of the client, so that each has pinned upstream connections.
            try await Load.run(120, on: stage.bench, connections: 16)
            try await stage.scale("west", to: west, plan)
            // A refreshed or new connection exists after the first requests.
            try await Load.run(60, on: stage.bench)
            return try await stage.measure(
                title, plan, ideal: try stage.ideal(east: east, west: west), requests: requests)
        }
    }

    /// Changes west repeatedly under load; removed pods drain for a second.
    static let churn = Scene("g", "pods, west 1-3-2-6-1-4") { stage, title in
        let plan = Plan(.pods)
        try await stage.open(plan, east: east, west: ["w1"])
        return try await stage.windows(title, plan, pause: .milliseconds(1)) { measure in
            for count in [1, 3, 2, 6, 1, 4] {
                let west = (1...count).map { "w\($0)" }
                let all = (1...6).map { "w\($0)" }
                try await stage.bench.startPods(west)
                try await stage.scale("west", to: west, plan)
                try await measure(400, try stage.ideal(east: east, west: west))
                // The removed pods are stopped after a second's grace period, as in Kubernetes.
                let gone = all.filter { !west.contains($0) }
                try await Task.sleep(for: .seconds(1))
                for pod in gone { await stage.bench.stop(pod) }
            }
            try await stage.bench.startPods((1...6).map { "w\($0)" })
        }
    }

    /// Kills one of west's two gateways under load, and starts it again.
    static let gatewayKilled = Scene("h", "pods, one of two gateways killed") { stage, title in
        var plan = Plan(.pods)
        plan.gateways = [1, 2]
        try await stage.open(plan, east: east, west: west)
        let ideal = try stage.ideal(east: east, west: west)
        return try await stage.windows(title, plan, pause: .milliseconds(1)) { measure in
            try await measure(400, ideal)
            let gateway = try stage.bench.process("gateway-2")
            gateway.signal(SIGKILL)
            _ = await gateway.waitForExit()
            try await measure(400, ideal)
            try await stage.bench.startGateway(.allClusters, name: "gateway-2", at: 2)
            try await measure(400, ideal)
        }
    }

    /// Prefers the client's own cluster until none of its pods is healthy.
    static let localPodsUnhealthy = Scene("i", "local-first, east unhealthy") { stage, title in
        let plan = Plan(.pods, balance: .localFirst)
        try await stage.open(plan, east: east, west: west)
        let ideal = try stage.ideal(east: east, west: west, .localFirst)
        return try await stage.windows(title, plan, pause: .milliseconds(1)) { measure in
            try await measure(400, ideal)
            let unhealthy = try east.map { name in
                var pod = try stage.bench.pod(name)
                pod.health = .unhealthy
                return pod
            }
            try stage.bench.publish(unhealthy, in: "east")
            try await stage.wait(plan)
            try await measure(800, ["w1": 1.0 / 3, "w2": 1.0 / 3, "w3": 1.0 / 3])
        }
    }

    /// Scales east from one pod to two, and back.
    static let eastScaled = Scene("j", "pods, east 1-2-1") { stage, title in
        let plan = Plan(.pods)
        try await stage.open(plan, east: ["e1"], west: west)
        return try await stage.windows(title, plan, pause: .milliseconds(1)) { measure in
            for east in [["e1"], ["e1", "e2"], ["e1"]] {
                try await stage.scale("east", to: east, plan)
                try await measure(400, try stage.ideal(east: east, west: west))
            }
        }
    }

    /// Makes one of west's pods respond with 503, so that outlier detection ejects it: alone, or with all of west.
    static func failingPod(_ id: String, _ reach: Plan.Reach) -> Scene {
        Scene(id, "\(reach.rawValue), w1 answers 503") { stage, title in
            var plan = Plan(reach, ejectsOutliers: true)
            plan.isServedWhole = true
            try await stage.open(plan, east: east, west: ["w1"])
            // If the gateway is one endpoint, connections are pinned to w1 from now on.
            try await Load.run(120, on: stage.bench)
            try await stage.scale("west", to: west, plan)
            // After a change of endpoints, Envoy collects health changes for 100 ms: wait until that is over.
            try await Task.sleep(for: .milliseconds(200))
            try await stage.bench.setFailing("w1", true)
            let ideal = try stage.ideal(east: east, west: ["w2", "w3"]).merging(["w1": 0], uniquingKeysWith: { $1 })
            let report = try await stage.measure(title, plan, ideal: ideal, requests: 1_200)
            try await stage.bench.setFailing("w1", false)
            return report
        }
    }

    /// Hashes requests by a header: each value of the header belongs to one pod.
    static func hashed(_ id: String, _ reach: Plan.Reach) -> Scene {
        Scene(id, "\(reach.rawValue), MAGLEV by a header") { stage, title in
            var plan = Plan(reach, policy: .maglev)
            plan.isServedWhole = true
            try await stage.open(plan, east: east, west: west, hashHeader: true)
            return try await stage.measure(
                title, plan, ideal: try stage.ideal(east: east, west: west), requests: 1_200, keys: 300)
        }
    }
}

extension Plan {
    init(
        _ reach: Reach, balance: Service.Balance = .global, policy: ClientSettings.Policy = .roundRobin,
        ejectsOutliers: Bool = false, requestsPerConnection: Int? = nil
    ) {
        self.init(reach)
        self.balance = balance
        self.policy = policy
        self.ejectsOutliers = ejectsOutliers
        self.requestsPerConnection = requestsPerConnection
    }
}

extension Stage {
    /// Measures windows of a continuous load while things change; failures count throughout.
    func windows(
        _ title: Scene.Title, _ plan: Plan, pause: Duration,
        _ body:
            @Sendable (_ measure: (_ requests: Int, _ ideal: [String: Double]) async throws -> Void) async throws ->
            Void
    ) async throws -> Report.Scene {
        let cpu = try bench.process("client").cpuTime
        let tally = Tally()
        let all = try await Load(bench).around(pause: pause) { load in
            try await body { requests, ideal in
                let start = load.result
                try await eventually("\(requests) requests more") { load.result.requests >= start.requests + requests }
                await tally.add(load.result - start, ideal: ideal)
            }
        }
        let (measured, ideal) = await tally.value
        var scene = try await report(title, plan, all, ideal: ideal, cpuSince: cpu)
        scene.requests = measured.values.reduce(0, +)
        scene.measured = measured.merging(ideal.mapValues { _ in 0 }, uniquingKeysWith: { counted, _ in counted })
        scene.failedOf = all.requests
        return scene
    }
}

/// The sum of several windows of a load.
private actor Tally {
    private(set) var value: (measured: [String: Int], ideal: [String: Double]) = ([:], [:])

    func add(_ result: LoadResult, ideal: [String: Double]) {
        value.measured.merge(result.byPod, uniquingKeysWith: +)
        let answered = Double(result.byPod.values.reduce(0, +))
        value.ideal.merge(ideal.mapValues { $0 * answered }, uniquingKeysWith: +)
    }
}
