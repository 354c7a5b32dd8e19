/// The bench under a steady load, with the shares of every second: what `make run` shows.
public struct LiveShares: Sendable {
    private let bench: Bench

    /// Two pods in east, three in west, as in the example files.
    public init(_ bench: Bench) { self.bench = bench }

    /// Starts every process.
    public func start(say: (String) -> Void) async throws {
        say("starting five pods, a gateway, Ballast and a client")
        try await bench.startPods(["e1", "e2", "w1", "w2", "w3"])
        try await bench.startBallast()
        try await bench.startGateway(.told)
        try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 2)
    }

    /// Sends some 200 requests a second, and tells the shares of each second, until cancelled or for so many seconds.
    public func run(seconds: Int?, say: @escaping @Sendable (String) -> Void) async throws {
        try await withThrowingTaskGroup { group in
            let load = Load(bench)
            group.addTask { await load.runContinuously(pause: .milliseconds(20)) }
            var last = load.result
            for _ in 0..<(seconds ?? .max) {
                try await Task.sleep(for: .seconds(1))
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
            let share = pods.reduce(0) { $0 + $1.value } * 100 / total
            let each = pods.map { "\($0.key) \($0.value * 100 / total)%" }.joined(separator: " ")
            return "\(name) \(share)% (\(intended[name].map { "\(Int(($0 * 100).rounded()))%" } ?? "?"))  \(each)"
        }
        return "\(second.requests) requests, \(second.failed) failed   " + clusters.joined(separator: "   ")
    }

    private func intendedShares() async throws -> [String: Double] {
        let shares = (try? await bench.services().services.first?.intended.map { ($0.cluster, $0.share) }) ?? []
        return Dictionary(shares, uniquingKeysWith: { first, _ in first })
    }
}
