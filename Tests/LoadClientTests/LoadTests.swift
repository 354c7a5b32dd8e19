import Admin
import Foundation
import LoadClient
import MeshConfiguration
import TestBench
import Testing
import TestSupport
import XDS

/// How clients ask.
enum Form: String, CaseIterable {
    case sotw, delta, ads, leds

    func plan(_ port: UInt16, _ services: Int) -> LoadPlan {
        var plan = LoadPlan(server: "127.0.0.1:\(port)", names: (0..<services).map(LoadedServices.name))
        plan.streams = 12
        plan.connections = 4
        plan.namesPerStream = 3
        plan.variant = self == .sotw ? .sotw : .delta
        plan.isAggregated = self == .ads || self == .leds
        plan.usesLEDS = self == .leds
        return plan
    }
}

extension PrometheusMetrics {
    func value(_ name: String) -> Double? {
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        return line?.split(separator: " ").last.flatMap { Double($0) }
    }
}

private func withPlane(
    _ directory: String, services: Int, metrics: PrometheusMetrics = PrometheusMetrics(), port: UInt16 = 0,
    _ body: (RunningControlPlane, LoadedServices) async throws -> Void
) async throws {
    let file = try LoadedServices.write(
        to: directory, services: services, endpoints: 5, listen: "127.0.0.1:\(port)", admin: "127.0.0.1:0")
    let text = try String(contentsOfFile: "\(directory)/ballast.yaml", encoding: .utf8)
    try await RunningControlPlane.run(in: directory, isFed: false, configuration: text, metrics: metrics) { plane in
        try await body(plane, file)
    }
}

@Test(arguments: Form.allCases)
func `every client gets every change, one after the other and all at once`(form: Form) async throws {
    try await withTemporaryDirectory { directory in
        try await withPlane(directory, services: 4) { plane, file in
            for pace in [LoadRun.Pace.rounds(4), .rate(perSecond: 100, seconds: 0.5)] {
                let run = try LoadRun(
                    form.plan(plane.port, 4), trigger: .file(try LoadedServices(changing: file.path))
                ) { _ in }
                let report = try await run.play(pace, patience: Patience.usual, listening: .zero)
                let changes = try #require(report.changes)
                #expect(report.sync.streams == 12)
                #expect(changes.missing == 0 && changes.receipts == 9 * changes.count && changes.count >= 4)
                #expect(changes.latency?.count == changes.receipts)
                #expect(report.losses == 0)
            }
        }
    }
}

@Test func `metrics show each step of a change`() async throws {
    try await withTemporaryDirectory { directory in
        let metrics = PrometheusMetrics()
        try await withPlane(directory, services: 2, metrics: metrics) { plane, file in
            let run = try LoadRun(Form.delta.plan(plane.port, 2), trigger: .file(file)) { _ in }
            let report = try await run.play(.rounds(3), patience: Patience.usual, listening: .zero)
            #expect(report.changes?.missing == 0)
            try await eventually("all have gone") { metrics.value("ballast_connected_streams") == 0 }
            for stage in ["source_to_snapshot", "snapshot_to_last_write", "snapshot_to_last_ack"] {
                #expect(metrics.value("ballast_\(stage)_seconds_count") ?? 0 >= 3, "\(stage)")
            }
            // 12 first answers of 2 names, and 3 changes of one name that all want.
            #expect(metrics.value("ballast_pushes_total") == 48)
            #expect(metrics.value("ballast_pushed_resources_total") == 60)
            #expect(metrics.value("ballast_pushed_bytes_total").map { Int($0) } == report.bytes)
            #expect(metrics.value("ballast_queue_depth") == 0 && metrics.value("ballast_nacks_total") == 0)
        }
    }
}

@Test(arguments: [Form.sotw, .delta, .leds])
func `clients that come back after a restart are sent nothing that they have`(form: Form) async throws {
    try await withTemporaryDirectory { directory in
        let (ready, continuation) = AsyncStream.makeStream(of: UInt16.self)
        let metrics = PrometheusMetrics()
        var ports = ready.makeAsyncIterator()
        var load: Task<LoadReport, any Error>?
        try await withPlane(directory, services: 4) { plane, _ in
            let run = try LoadRun(form.plan(plane.port, 4), trigger: nil) { line in
                if line.contains("12 of 12 in sync") { continuation.yield(0) }
            }
            load = Task { try await run.play(.none, patience: Patience.usual, listening: .seconds(3_600)) }
            _ = await ports.next()
            continuation.yield(plane.port)
        }
        let port = await ports.next() ?? 0
        try await withPlane(directory, services: 4, metrics: metrics, port: port) { _, _ in
            try await eventually("all are back") { metrics.value("ballast_requests_total") ?? 0 >= 12 }
            load?.cancel()
            let report = try await load?.value
            #expect(report?.losses ?? 0 >= 12)
            #expect(metrics.value("ballast_pushed_resources_total") == 0)
        }
    }
}
