import EnvoyAPI
import TestBench

/// Load reports (LRS) that cost the server more than the client.
struct LoadReportFlood: Attack {
    /// The contents of the report.
    enum Kind: String, CaseIterable {
        case localities = "load-report"
        case infinity = "load-report-infinity"
    }

    var kind: Kind

    var name: String { kind.rawValue }
    var summary: String {
        switch kind {
        case .localities: "one 4 MB load report of 330,000 equal localities of a service with 2,000 endpoints"
        case .infinity: "load reports whose metrics sum to infinity"
        }
    }
    var bar: String {
        switch kind {
        case .localities: "changes arrive within 1 s, /v1/services answers 200"
        case .infinity: "/v1/services answers 200, changes arrive within 1 s"
        }
    }

    func play(on stage: AttackStage) async throws -> [Figure] {
        let configuration = VictimConfiguration(services: ["bulk"], files: ["bulk"])
        let files = ["bulk.yaml": VictimConfiguration.endpoints(of: "bulk", count: 2_000)]
        return try await stage.withVictim(in: stage.makeDirectory(name), configuration, files: files) { victim in
            let target = try RawTarget(victim)
            let duration = stage.scale.duration(10, short: 5)
            let status = Shared<Int?>(nil)
            let size = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let reports = reports()
                size.add(reports.reduce(0) { $0 + $1.count })
                try await GRPCSender.open(to: target) { client in
                    let stream = try await client.openStream(LoadReport.method)
                    for report in reports { try? await client.send(report, on: stream) }
                    try await Task.sleep(for: duration)
                }
                for audience in ["lanes", "plain"] where status.value == nil || status.value == 200 {
                    let answer = await victim.get("/v1/services?audience=\(audience)", within: .seconds(10))
                    status.change { $0 = answer?.status ?? 0 }
                }
            }
            return exposure.figures(Exposure.Bars(memory: nil, honestMost: 1, newClient: 2)) + [
                Figure("reports", Double(size.value) / 1_000_000, "MB"),
                Figure(
                    "/v1/services is 200", isTrue: status.value == 200,
                    otherwise: "\(status.value ?? 0)"),
            ]
        }
    }

    private func reports() -> [[UInt8]] {
        let node = WireWriter.message { node in
            node.string(1, "reporter")
            node.string(6, "envoy")
        }
        let first = WireWriter.message { $0.message(1, node) }
        switch kind {
        case .localities:
            let locality = WireWriter.message { stats in
                stats.message(1, WireWriter.message { $0.string(1, "bulk") })
                stats.number(8, 1)
            }
            // Just under the server's limit on the length of a message.
            let count = 4_190_000 / (locality.count + 2)
            return [first, report { stats in for _ in 0..<count { stats.message(2, locality) } }]
        case .infinity:
            let metric = WireWriter.message { metric in
                metric.string(1, "huge")
                metric.number(2, 1)
                metric.double(3, Double.greatestFiniteMagnitude)
            }
            let locality = WireWriter.message { stats in
                stats.message(1, WireWriter.message { $0.string(1, "bulk") })
                stats.message(5, metric)
                stats.number(8, 1)
            }
            return [first] + (0..<4).map { _ in report { stats in for _ in 0..<4 { stats.message(2, locality) } } }
        }
    }

    private func report(_ localities: (inout WireWriter) -> Void) -> [UInt8] {
        WireWriter.message { report in
            report.message(
                2,
                WireWriter.message { stats in
                    stats.string(1, "bulk")
                    localities(&stats)
                    stats.message(4, WireWriter.message { $0.number(1, 1) })
                })
        }
    }
}
