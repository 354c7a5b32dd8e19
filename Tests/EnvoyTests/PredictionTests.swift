import AdminAPI
import Foundation
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// What a plan says of the next failure, against the requests that pods count.
    @Suite(.serialized) struct PredictionTests {
        enum Loss: String, CaseIterable {
            case ejected, killed
        }

        @Test(arguments: ["global", "local-first"], Loss.allCases)
        func `the next failure is predicted within one percent`(_ balance: String, _ loss: Loss) async throws {
            try await withBench { bench in
                let detection =
                    "envoy:\n  outlierDetection: {consecutive5xx: 3, interval: 1s, ejectionTime: 300s, maxEjectionPercent: 100}\n"
                let configuration = try bench.template("ballast.yaml")
                    .replacingOnce("envoy:", with: "\(detection)  #")
                    .replacing("balance: global", with: "balance: \(balance)")
                try bench.write(configuration + "overrides: {store: memory}\n", to: "ballast.yaml")
                try await bench.startPods(["e1", "e2", "w1", "w2", "w3"])
                try await bench.startBallast()
                try await bench.startGateway(.allClusters)
                try await bench.startEnvoy("client", bench.wholeClientConfig(), bench.client, concurrency: 1)
                try await eventually("requests succeed") { try await Load.run(100, on: bench).failed == 0 }
                // A multiplier of 1 changes nothing; east's pods are alike, so the plan names the first.
                let text = try run(
                    tools.ballast,
                    [
                        "what-if", "weights", "set", "httpbin", "east=x1", "-o", "json", "--admin",
                        "http://\(bench.host):\(Bench.adminPort)",
                    ], directory: bench.directory)
                let plan = try AdminJSON.decode(PlanPage.self, from: Data(text.utf8))
                let name =
                    balance == "global"
                    ? ["east/e1", "east/e2", "west/w1", "west/w2", "west/w3"] : ["east/e1", "east/e2"]
                let failure = try #require(plan.nextFailure.first { name.contains($0.lost) }, "\(plan.nextFailure)")
                let lost = String(failure.lost.suffix(2))
                switch loss {
                case .ejected: try await bench.setFailing(lost, true)
                case .killed: await bench.stop(lost)
                }
                try await eventually("\(lost) gets nothing") {
                    let part = try await Load.run(500, on: bench)
                    return part.failed == 0 && part.byPod[lost] == nil
                }
                let result = try await Load.run(20_000, on: bench)
                let east = result.byPod.filter { $0.key.hasPrefix("e") }.values.reduce(0, +)
                let share = Double(east) / Double(result.requests) * 100
                let predicted = try #require(failure.envoy["east"])
                print("\(balance), \(lost) \(loss): predicted \(predicted) %, counted \(share) % of \(result.requests)")
                #expect(abs(share - predicted) < 1, "predicted \(predicted) %, counted \(share) %")
            }
        }
    }
}
