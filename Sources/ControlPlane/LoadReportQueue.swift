import CoreMetrics
import EnvoyAPI
import Logging
import Synchronization

/// Load reports that have yet to be added up.
///
/// Adding up costs what a report carries, which is its sender's choice: it is done in a task of its own, and never on the
/// threads that serve streams.
final class LoadReportQueue: Sendable {
    /// Reports that wait, in bytes; further ones are dropped.
    static let mostBytes = 16 << 20

    private struct Report {
        var bytes: [UInt8]
        var viewer: Viewer
        var view: Snapshot.View
    }

    private struct State {
        var reports: [Report] = []
        var byteCount = 0
    }

    private let observer: LoadObserver
    private let metrics: ControlPlaneMetrics
    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init(_ observer: LoadObserver, metrics: ControlPlaneMetrics) {
        self.observer = observer
        self.metrics = metrics
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Has an encoded report added up, as far as it is about what the view has.
    func add(_ report: [UInt8], of viewer: Viewer, in view: Snapshot.View) {
        let isFull = state.withLock { state in
            guard state.byteCount + report.count <= Self.mostBytes else { return true }
            state.reports.append(Report(bytes: report, viewer: viewer, view: view))
            state.byteCount += report.count
            return false
        }
        if isFull { return metrics.droppedLoadReports.increment() }
        continuation.yield()
    }

    /// Adds up what comes, until the task is cancelled.
    func run() async {
        for await _ in signals {
            while let report = next() {
                guard let decoded = try? LoadReport(report.bytes) else {
                    metrics.droppedLoadReports.increment()
                    continue
                }
                observer.record(decoded, of: report.viewer, in: report.view, at: .now)
                await Task.yield()
            }
        }
    }

    private func next() -> Report? {
        state.withLock { state in
            guard !state.reports.isEmpty else { return nil }
            let report = state.reports.removeFirst()
            state.byteCount -= report.bytes.count
            return report
        }
    }
}
