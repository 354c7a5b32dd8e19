import AdminAPI
import Balancing
import Foundation
public import Model

/// The bench with all its parts running; each scene gets its own configuration and a new client without connections.
public struct Stage: Sendable {
    /// The bench.
    public let bench: Bench
    /// The protocol between the client and the pods.
    public let upstream: Bench.UpstreamProtocol
    /// The client's worker threads.
    public let workers: Int

    /// Creates a stage on a bench that `Stage.prepare` has prepared.
    public init(_ bench: Bench, _ upstream: Bench.UpstreamProtocol, workers: Int) {
        self.bench = bench
        self.upstream = upstream
        self.workers = workers
    }

    /// Starts pods, gateways of all kinds, and Ballast.
    ///
    /// - Parameter withSidecars: whether pods accept only clients that offer one of Istio's protocols.
    public static func prepare(_ bench: Bench, withSidecars: Bool = false) async throws {
        try bench.write(
            "services: {httpbin: [{name: west-gateway, address: \"\(bench.network)3:15443\"}]}\n",
            to: "west-imported.yaml"
        )
        try bench.write(Plan(.pods).configuration(bench, .http2), to: "ballast.yaml")
        try bench.publish([bench.pod("e1")], in: "east")
        try bench.publish([bench.pod("w1")], in: "west")
        try await bench.startPods(["e1", "e2"] + (1...6).map { "w\($0)" }, withSidecars ? .sidecar : .tls)
        try await bench.startBallast()
        try await bench.startGateway(.allClusters, name: "gateway-1", at: 1)
        try await bench.startGateway(.allClusters, name: "gateway-2", at: 2)
        try await bench.startGateway(.passthrough, name: "gateway-3", at: 3)
        try await bench.startGateway(.passthroughInTurn, name: "gateway-4", at: 4)
    }

    /// Prepares a scene: configures Ballast, publishes the pods, and starts a new client that has them.
    public func open(_ plan: Plan, east: [String], west: [String], hashHeader: Bool = false) async throws {
        await bench.stop("client")
        try bench.publish(east.map(bench.pod), in: "east")
        try bench.publish(west.map(bench.pod), in: "west")
        try await reload(plan)
        let config =
            plan.isServedWhole
            ? try bench.wholeClientConfig(hashHeader: hashHeader)
            : try bench.clientConfig(upstream, requestsPerConnection: plan.requestsPerConnection)
        try await bench.startEnvoy("client", config, bench.client, concurrency: workers)
        try await wait(plan)
    }

    /// Makes Ballast read another configuration.
    public func reload(_ plan: Plan) async throws { try await reload(plan.configuration(bench, upstream)) }

    /// Makes Ballast read another configuration, given as text.
    public func reload(_ configuration: String) async throws {
        let ballast = try bench.process("ballast")
        let reloads = { ballast.log.components(separatedBy: "configuration reloaded").count }
        let before = reloads()
        try bench.write(configuration, to: "ballast.yaml")
        ballast.signal(SIGHUP)
        try await eventually(every: .milliseconds(5), "Ballast reads its configuration") { reloads() > before }
    }

    /// Publishes other pods, all healthy, and waits until the client has them and everything that is renewed because of
    /// them.
    public func scale(_ cluster: String, to pods: [String], _ plan: Plan) async throws {
        let names = {
            Set(try await bench.services(audience: plan.audience).services.first?.endpoints.map(\.identity) ?? [])
        }
        let before = try await names()
        try bench.publish(pods.map(bench.pod), in: cluster)
        try await wait(plan)
        switch plan.reach {
        case .refresh:
            try await eventually("the gateway is refreshed") { try await names() != before }
        case .lanes, .lanesInTurn:
            let lanes = LaneSettings().count(pods: pods.count, gateways: 1)
            try await eventually("there are \(lanes) lanes") {
                try await names().count { $0.hasPrefix("west_gateway/") } == lanes
            }
        case .imported, .gateway, .pods, .connect: return
        }
        try await wait(plan)
    }

    /// Waits until the client has applied what was published.
    public func wait(_ plan: Plan) async throws {
        guard plan.reach != .imported else {
            let east = try await bench.services(audience: .plain).services.first?.endpoints.count ?? 0
            return try await eventually("the client has its endpoints") {
                try await bench.client.endpoints(of: "httpbin").count == max(east, 2)
            }
        }
        try await bench.waitUntilApplied(audience: plan.audience)
    }

    /// Sends requests and reports the results.
    public func measure(
        _ title: Scene.Title, _ plan: Plan, ideal: [String: Double], requests: Int, keys: Int = 0
    ) async throws -> Report.Scene {
        let cpu = try bench.process("client").cpuTime
        let result = try await Load.run(requests, on: bench, keys: keys)
        return try await report(title, plan, result, ideal: ideal.mapValues { $0 * Double(requests) }, cpuSince: cpu)
    }

    /// Reports the results of a load.
    ///
    /// - Parameter ideal: the ideal number of requests by pod.
    public func report(
        _ title: Scene.Title, _ plan: Plan, _ result: LoadResult, ideal: [String: Double], cpuSince: Duration
    ) async throws -> Report.Scene {
        let cpu = try bench.process("client").cpuTime - cpuSince
        let sorted = result.milliseconds.sorted()
        return Report.Scene(
            name: title.text, id: title.id, reach: plan.reach.rawValue, protocol: upstream.rawValue, workers: workers,
            requests: result.requests, failed: result.failed, failures: failures,
            connections: try await bench.client.stat("cluster.httpbin.upstream_cx_total"),
            handshakes: try await bench.client.stat("cluster.httpbin.ssl.handshake"), ideal: ideal,
            measured: result.byPod.merging(ideal.mapValues { _ in 0 }, uniquingKeysWith: { counted, _ in counted }),
            p50: sorted.isEmpty ? 0 : sorted[sorted.count / 2],
            p99: sorted.isEmpty ? 0 : sorted[sorted.count * 99 / 100],
            cpuPerThousand: result.requests > 0 ? cpu / .milliseconds(1) * 1_000 / Double(result.requests) : 0,
            keys: result.byKey.isEmpty ? nil : result.byKey.count,
            movedKeys: result.byKey.isEmpty ? nil : result.byKey.values.count { $0.count > 1 }
        )
    }

    /// The first lines of the client's access log, which has only failed requests.
    private var failures: [String] {
        let lines = (try? bench.process("client").log)?.split(separator: "\n") ?? []
        return lines.filter { $0.hasPrefix("20") }.prefix(8).map(String.init)
    }

    /// The shares that the balancer intends for these pods, all equal and healthy.
    public func ideal(east: [String], west: [String], _ balance: Service.Balance = .global) throws -> [String: Double] {
        let mesh = Mesh(
            clusters: [Cluster(name: "east"), Cluster(name: "west")],
            pods: ["east": try east.map(bench.pod), "west": try west.map(bench.pod)]
        )
        let shares = mesh.assign(Service(name: "httpbin", balance: balance), from: "east").shares
        return Dictionary(uniqueKeysWithValues: shares.flatMap(\.pods).map { ($0.name, $0.share) })
    }
}

extension ServicePage.Endpoint {
    /// Changes if the endpoint is a new one for Envoy.
    fileprivate var identity: String { address + (subZone.isEmpty ? "" : " in \(subZone)") }
}
