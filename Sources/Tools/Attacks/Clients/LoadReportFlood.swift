import EnvoyAPI
import TestBench

/// Reports that cost the server more than the client (LRS).
struct LoadReportFlood: Attack {
    /// What is in the report.
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
        let node = ProtobufWriter.message { node in
            node.field(1, "reporter")
            node.field(6, "envoy")
        }
        let first = ProtobufWriter.message { $0.field(1, node) }
        switch kind {
        case .localities:
            let locality = ProtobufWriter.message { stats in
                stats.field(1, ProtobufWriter.message { $0.field(1, "bulk") })
                stats.field(8, UInt64(1))
            }
            // Just under the longest message that is taken.
            let count = 4_190_000 / (locality.count + 2)
            return [first, report { stats in for _ in 0..<count { stats.field(2, locality) } }]
        case .infinity:
            let metric = ProtobufWriter.message { metric in
                metric.field(1, "huge")
                metric.field(2, UInt64(1))
                metric.field(3, Double.greatestFiniteMagnitude)
            }
            let locality = ProtobufWriter.message { stats in
                stats.field(1, ProtobufWriter.message { $0.field(1, "bulk") })
                stats.field(5, metric)
                stats.field(8, UInt64(1))
            }
            return [first] + (0..<4).map { _ in report { stats in for _ in 0..<4 { stats.field(2, locality) } } }
        }
    }

    private func report(_ localities: (inout ProtobufWriter) -> Void) -> [UInt8] {
        ProtobufWriter.message { report in
            report.field(
                2,
                ProtobufWriter.message { stats in
                    stats.field(1, "bulk")
                    localities(&stats)
                    stats.field(4, ProtobufWriter.message { $0.field(1, UInt64(1)) })
                })
        }
    }
}
