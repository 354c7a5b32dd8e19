public import CoreMetrics
import Synchronization

/// Keeps metrics in memory and writes them in Prometheus' text format, version 0.0.4.
///
/// Labels are used as metric names, unchanged. Timers become histograms in seconds.
public final class PrometheusMetrics: MetricsFactory, Sendable {
    /// A metric that can write its samples.
    private protocol Metric: AnyObject, Sendable {
        static var kind: String { get }
        func samples(_ name: String, _ labels: [(String, String)]) -> [String]
    }

    private struct Key: Hashable {
        var name: String
        var labels: [String]
    }

    private struct Entry {
        var labels: [(String, String)]
        var metric: any Metric
    }

    private let entries = Mutex<[Key: Entry]>([:])
    private let help: [String: String]

    /// Creates an empty set of metrics.
    ///
    /// - Parameter help: the help texts, by metric name.
    public init(help: [String: String] = [:]) { self.help = help }

    /// The text of all metrics, sorted by name.
    public var text: String {
        var lines: [String] = []
        var last = ""
        let all = entries.withLock { $0 }.sorted { left, right in
            (left.key.name, left.key.labels.joined()) < (right.key.name, right.key.labels.joined())
        }
        for (key, entry) in all {
            if key.name != last {
                if let help = help[key.name] { lines.append("# HELP \(key.name) \(help)") }
                lines.append("# TYPE \(key.name) \(type(of: entry.metric).kind)")
                last = key.name
            }
            lines += entry.metric.samples(key.name, entry.labels)
        }
        return lines.map { $0 + "\n" }.joined()
    }

    // MARK: MetricsFactory

    /// Returns a counter.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        make(label, dimensions, PrometheusCounter.init)
    }

    /// Returns a gauge.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        make(label, dimensions, PrometheusGauge.init)
    }

    /// Returns a histogram of unscaled values.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        make(label, dimensions, PrometheusHistogram.init)
    }

    /// Returns a histogram in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        make(label, dimensions, PrometheusHistogram.init)
    }

    /// Does nothing, because metrics are kept.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Removes a gauge.
    public func destroyMeter(_ handler: any MeterHandler) {
        entries.withLock { $0 = $0.filter { $0.value.metric !== handler } }
    }
    /// Does nothing, because metrics are kept.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Does nothing, because metrics are kept.
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func make<M: Metric>(_ name: String, _ labels: [(String, String)], _ make: @Sendable () -> M) -> M {
        entries.withLock { entries in
            let key = Key(name: name, labels: labels.map { "\($0)=\($1)" })
            if let known = entries[key]?.metric as? M { return known }
            let metric = make()
            entries[key] = Entry(labels: labels, metric: metric)
            return metric
        }
    }

    private final class PrometheusCounter: Metric, CounterHandler {
        static var kind: String { "counter" }
        private let value = Atomic<Int64>(0)

        func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
        func reset() { value.store(0, ordering: .relaxed) }

        func samples(_ name: String, _ labels: [(String, String)]) -> [String] {
            [line(name, labels, value.load(ordering: .relaxed))]
        }
    }

    private final class PrometheusGauge: Metric, MeterHandler {
        static var kind: String { "gauge" }
        // All gauges are whole numbers.
        private let value = Atomic<Int64>(0)

        func set(_ value: Int64) { self.value.store(value, ordering: .relaxed) }
        func set(_ value: Double) { set(Int64(value)) }
        func increment(by amount: Double) { value.wrappingAdd(Int64(amount), ordering: .relaxed) }
        func decrement(by amount: Double) { value.wrappingSubtract(Int64(amount), ordering: .relaxed) }

        func samples(_ name: String, _ labels: [(String, String)]) -> [String] {
            [line(name, labels, value.load(ordering: .relaxed))]
        }
    }

    private final class PrometheusHistogram: Metric, TimerHandler, RecorderHandler {
        /// The upper bounds of the buckets, in seconds.
        private static let bounds = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
        ]

        private struct State {
            var counts = Array(repeating: 0, count: bounds.count + 1)
            var sum = 0.0
        }

        static var kind: String { "histogram" }
        private let state = Mutex(State())

        func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
        func record(_ value: Int64) { record(Double(value)) }

        func record(_ value: Double) {
            let bucket = Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count
            state.withLock { state in
                state.counts[bucket] += 1
                state.sum += value
            }
        }

        func samples(_ name: String, _ labels: [(String, String)]) -> [String] {
            let state = state.withLock { $0 }
            var total = 0
            var lines: [String] = []
            for (bound, count) in zip(Self.bounds.map { "\($0)" } + ["+Inf"], state.counts) {
                total += count
                lines.append(line("\(name)_bucket", labels + [("le", bound)], total))
            }
            return lines + [line("\(name)_sum", labels, state.sum), line("\(name)_count", labels, total)]
        }
    }
}

private func line(_ name: String, _ labels: [(String, String)], _ value: some CustomStringConvertible) -> String {
    let escaped = labels.map { key, value in
        let text = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return "\(key)=\"\(text)\""
    }
    return escaped.isEmpty ? "\(name) \(value)" : "\(name){\(escaped.joined(separator: ","))} \(value)"
}
