import Admin
import CoreMetrics
import Testing

@Test func `counters, gauges and histograms are written as Prometheus reads them`() {
    let metrics = PrometheusMetrics()
    Counter(label: "ballast_pushes_total", factory: metrics).increment(by: 3)
    let depth = Meter(label: "ballast_queue_depth", dimensions: [("where", "a \"b\"")], factory: metrics)
    depth.increment(by: 5)
    depth.decrement(by: 2)
    let timer = Timer(label: "ballast_source_to_snapshot_seconds", factory: metrics)
    for milliseconds in [1, 2, 70, 100_000] { timer.recordMilliseconds(milliseconds) }
    let lines = metrics.text.split(separator: "\n")
    #expect(lines.contains("# TYPE ballast_pushes_total counter") && lines.contains("ballast_pushes_total 3"))
    #expect(lines.contains("# TYPE ballast_queue_depth gauge"))
    #expect(lines.contains("ballast_queue_depth{where=\"a \\\"b\\\"\"} 3"))
    #expect(lines.contains("# TYPE ballast_source_to_snapshot_seconds histogram"))
    // Buckets count what is no longer than their bound, from 1 ms on.
    let buckets = [("0.001", 1), ("0.0025", 2), ("0.05", 2), ("0.1", 3), ("60.0", 3), ("+Inf", 4)]
    for (bound, count) in buckets {
        #expect(lines.contains("ballast_source_to_snapshot_seconds_bucket{le=\"\(bound)\"} \(count)"), "\(bound)")
    }
    #expect(lines.contains("ballast_source_to_snapshot_seconds_count 4"))
}

@Test func `a metric of one name is the same one, whoever makes it`() {
    let metrics = PrometheusMetrics()
    for _ in 0..<2 { Counter(label: "ballast_nacks_total", factory: metrics).increment() }
    #expect(metrics.text.contains("ballast_nacks_total 2"))
}
