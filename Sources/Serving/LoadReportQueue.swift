import CoreMetrics
import DequeModule
import EnvoyAPI
import Snapshots
import Synchronization

/// A queue of load reports that have not been added up yet.
///
/// Adding up takes time that depends on the report, which the sender chooses. So it happens in a separate task, never
/// on the threads that serve streams.
final class LoadReportQueue: Sendable {
    /// The maximum size of queued reports in bytes, of all clients and of one; further reports are dropped.
    static let maxBytes = 16 << 20
    static let maxBytesOfClient = 4 << 20
    /// The approximate memory of an empty report, in bytes.
    private static let overhead = 256

    private struct Report {
        var bytes: [UInt8]
        var client: String
        var node: String
        var view: ClientView
        var content: Snapshot.View
    }

    private struct State {
        var reports: Deque<Report> = []
        var byteCount = 0
        var byClient: [String: Int] = [:]
    }

    private let observer: LoadObserver
    private let metrics: ServingMetrics
    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init(_ observer: LoadObserver, metrics: ServingMetrics) {
        self.observer = observer
        self.metrics = metrics
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queues an encoded report, or drops it if the queue is full.
    ///
    /// - Parameters:
    ///   - client: the client's address.
    ///   - node: the client's node ID.
    func add(_ report: [UInt8], from client: String, node: String, of view: ClientView, in content: Snapshot.View) {
        let cost = report.count + Self.overhead
        let isFull = state.withLock { state in
            // A client's first report is accepted whatever its length, if the whole queue has room.
            let ofClient = state.byClient[client, default: 0]
            guard state.byteCount + cost <= Self.maxBytes, ofClient == 0 || ofClient + cost <= Self.maxBytesOfClient
            else { return true }
            state.reports.append(Report(bytes: report, client: client, node: node, view: view, content: content))
            state.byteCount += cost
            state.byClient[client] = ofClient + cost
            return false
        }
        if isFull { return metrics.droppedLoadReports.increment() }
        continuation.yield()
    }

    /// Adds up queued reports until the task is cancelled.
    func run() async {
        for await _ in signals {
            while let report = next() {
                guard let decoded = try? LoadReport(report.bytes) else {
                    metrics.droppedLoadReports.increment()
                    continue
                }
                observer.record(decoded, from: report.node, of: report.view, in: report.content, at: .now)
                await Task.yield()
            }
        }
    }

    private func next() -> Report? {
        state.withLock { state in
            guard let report = state.reports.popFirst() else { return nil }
            let cost = report.bytes.count + Self.overhead
            state.byteCount -= cost
            let left = state.byClient[report.client, default: cost] - cost
            state.byClient[report.client] = left > 0 ? left : nil
            return report
        }
    }
}
