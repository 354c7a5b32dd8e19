import Balancing
import Foundation
import MeshConfiguration

/// The bench under a steady load, with the shares of every second: what `make run` shows.
public struct LiveShares: Sendable {
    private let bench: Bench

    /// Two pods in east, three in west, as in the example files.
    public init(_ bench: Bench) { self.bench = bench }

    /// Starts every process.
    public func start(say: (String) -> Void) async throws {
        say("starting five pods, a gateway, Ballast and a client")
        try await bench.startAll()
    }

    /// Sends some 200 requests a second, and tells the shares of each second, until cancelled or for so many seconds.
    public func run(seconds: Int?, say: @escaping @Sendable (String) -> Void) async throws {
        try await withThrowingTaskGroup { group in
            let load = Load(bench)
            group.addTask { await load.runContinuously(pause: .milliseconds(20)) }
            var last = load.result
            var known = ""
            for _ in 0..<(seconds ?? .max) {
                try await Task.sleep(for: .seconds(1))
                followWestFile(&known)
                let now = load.result
                say(try await line(now - last))
                last = now
            }
            group.cancelAll()
        }
    }

    /// West's own gateway has to know west's pods, as they are edited.
    private func followWestFile(_ known: inout String) {
        let path = "\(bench.directory)/west.yaml"
        guard let text = try? TextFile.read(path), text != known,
            let file = try? EndpointsFile(text: text, file: path)
        else { return }
        known = text
        try? bench.routeGateway(to: file.pods["httpbin"] ?? [])
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
        struct Page: Decodable {
            struct Service: Decodable { var intended: [Share] }
            struct Share: Decodable {
                var cluster: String
                var share: Double
            }
            var services: [Service]
        }
        let answer = try? await HTTPConnection.get(host: bench.host, port: Bench.adminPort, "/v1/services")
        guard let answer, let page = try? JSONDecoder().decode(Page.self, from: Data(answer.body.utf8)) else {
            return [:]
        }
        let shares = page.services.flatMap(\.intended).map { ($0.cluster, $0.share) }
        return Dictionary(shares, uniquingKeysWith: { first, _ in first })
    }
}
