import AdminAPI
import Balancing
import Model

/// The bench under a steady load, with the shares of every second, as `make run` shows it.
public struct LiveShares: Sendable {
    private let bench: Bench

    /// Pods that run but are not in any endpoints file.
    public static let idlePods = ["e3", "e4", "w4", "w5"]

    /// Creates the display for a bench with the pods of the example files (two in east, three in west), and idle ones.
    public init(_ bench: Bench) { self.bench = bench }

    /// An idle pod's entry for an endpoints file.
    public func idlePod(_ name: String) throws -> String {
        "{name: \(name), address: \"\(try bench.pod(name).address)\"}"
    }

    /// Starts all processes.
    public func start(say: (String) -> Void) async throws {
        say("starting nine pods, a gateway, Ballast and a client")
        try bench.write(
            bench.template("ballast.yaml").replacing("guard: off", with: "guard: on") + "overrides: {store: memory}\n",
            to: "ballast.yaml")
        try await bench.startPods(["e1", "e2", "w1", "w2", "w3"] + Self.idlePods)
        try await bench.startBallast()
        try await bench.startGateway(.allClusters)
        try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
    }

    /// Sends about 200 requests per second and reports the shares of each second, for `seconds` or until cancelled.
    public func run(seconds: Int?, say: @escaping @Sendable (String) -> Void) async throws {
        try await withThrowingTaskGroup { group in
            let load = Load(bench)
            group.addTask { await load.runContinuously(pause: .milliseconds(20)) }
            var last = load.result
            for _ in 0..<(seconds ?? .max) {
                try await Task.sleep(for: .seconds(1))
                let client = try bench.process("client")
                guard client.isRunning else {
                    throw BenchError("The client Envoy has ended; the end of its log:\n\(client.log.suffix(2_000))")
                }
                let now = load.result
                say(try await line(now - last))
                last = now
            }
            group.cancelAll()
        }
    }

    private func line(_ second: LoadResult) async throws -> String {
        let intended = try await intendedShares()
        let total = max(second.requests, 1)
        let clusters = [("east", "e"), ("west", "w")].map { name, prefix in
            let pods = second.byPod.filter { $0.key.hasPrefix(prefix) && $0.value > 0 }.sorted { $0.key < $1.key }
            let percent = { (count: Int) in "\(Int((100 * Double(count) / Double(total)).rounded()))%" }
            let each = pods.map { "\($0.key) \(percent($0.value))" }.joined(separator: " ")
            return
                "\(name) \(percent(pods.reduce(0) { $0 + $1.value })) (\(intended[name].map { "\(Int(($0 * 100).rounded()))%" } ?? "?"))  \(each)"
        }
        let failed = "\(second.failed) failed"
        return "\(second.requests) requests  \(second.failed > 0 ? failed.uppercased() : failed)   "
            + clusters.joined(separator: "   ")
    }

    private func intendedShares() async throws -> [String: Double] {
        let shares = (try? await bench.services().services.first?.intended.map { ($0.cluster, $0.share) }) ?? []
        return Dictionary(shares, uniquingKeysWith: { first, _ in first })
    }
}
