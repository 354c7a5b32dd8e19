import CoreMetrics
import GRPCTransport
import Logging
import MeshConfiguration
import Model
@testable import Serving
import Snapshots
import Synchronization
import TestBench
import Testing
import TestSupport
import XDS

@Test func `the configuration's defaults are those of the transport`() {
    let limits = Configuration.Limits()
    #expect(ServerLimits(limits) == ServerLimits())
    #expect(ConnectionLimits(limits, isOn: true) == ConnectionLimits())
}

/// What clients may have a server keep.
@Suite struct BudgetTests {
    private func share(_ peer: String, _ identity: String? = nil) -> Budget.Share {
        Budget.Share(StreamHead(method: "m", peer: peer, identities: identity.map { [.uri($0)] } ?? []))
    }

    /// - Returns: why it is refused; nil if it is not.
    private func charge(_ budget: Budget, _ share: inout Budget.Share, _ bytes: Int) -> String? {
        do throws(GRPCStatus) {
            try budget.charge(&share, bytes)
            return nil
        } catch {
            return error.message
        }
    }

    @Test func `each limit is named, and what is given back can be had again`() {
        var limits = Configuration.Limits()
        (limits.bytesPerStream, limits.bytesPerClient, limits.bytesPerIdentity, limits.bytes) = (100, 150, 200, 250)
        let budget = Budget(limits)
        var first = share("10.0.0.1:1")
        var second = share("10.0.0.1:1")
        #expect(charge(budget, &first, 101)?.contains("bytesPerStream") == true)
        #expect(charge(budget, &first, 100) == nil)
        #expect(charge(budget, &second, 51)?.contains("bytesPerClient") == true)
        #expect(charge(budget, &second, 50) == nil)
        // Another connection from the same address.
        var third = share("10.0.0.1:2")
        #expect(charge(budget, &third, 51)?.contains("bytesPerIdentity") == true)
        #expect(charge(budget, &third, 50) == nil)
        var fourth = share("10.0.0.2:1")
        #expect(charge(budget, &fourth, 51)?.contains("limits.bytes,") == true)
        budget.release(&first)
        #expect(charge(budget, &fourth, 51) == nil)
        #expect(budget.total == 151)
    }

    @Test func `clients of one certificate share, wherever they are`() {
        var limits = Configuration.Limits()
        limits.bytesPerIdentity = 100
        let budget = Budget(limits)
        var (first, second, other) = (
            share("a:1", "spiffe://x"), share("b:1", "spiffe://x"), share("a:2", "spiffe://y")
        )
        #expect(charge(budget, &first, 60) == nil)
        #expect(charge(budget, &second, 60) != nil)
        #expect(charge(budget, &other, 60) == nil)
    }
}

/// Publications for a thread that takes its time.
@Suite struct PublicationQueueTests {
    private func publication(_ number: UInt64, changesFederation: Bool = false) -> Publication {
        let federation = Federation(ownCluster: "east", clusters: [])
        return Publication(
            Snapshot(number: number, isComplete: true, federation: federation, views: [:], problems: []),
            changesFederation: changesFederation)
    }

    private func taken(_ queue: PublicationQueue) async -> [PublicationQueue.Item] {
        let items = Mutex<[PublicationQueue.Item]>([])
        let task = Task {
            await queue.forEach { next in items.withLock { $0 = next } }
        }
        try? await eventually("something comes") { items.withLock { !$0.isEmpty } }
        task.cancel()
        return items.withLock { $0 }
    }

    @Test func `a few are reported one after the other`() async {
        let queue = PublicationQueue()
        let metrics = ServingMetrics(NOOPMetricsHandler.instance)
        for number in 1...5 { queue.add(publication(UInt64(number)), PublicationProgress(metrics, at: .now)) }
        let items = await taken(queue)
        #expect(items.map(\.publication.snapshot.number) == [1, 2, 3, 4, 5])
        #expect(items.filter(\.followsGap).isEmpty)
    }

    @Test func `of many the last stands for all, and says so`() async {
        let queue = PublicationQueue()
        let metrics = ServingMetrics(NOOPMetricsHandler.instance)
        for number in 1...1_000 {
            queue.add(
                publication(UInt64(number), changesFederation: number == 500), PublicationProgress(metrics, at: .now))
        }
        let items = await taken(queue)
        #expect(items.count <= 16)
        #expect(items.first?.followsGap == true && items.last?.publication.snapshot.number == 1_000)
        let covered = items.first?.publication.snapshot.number ?? 0
        #expect(covered < 500 || covered > 516 || !items.filter(\.changesFederation).isEmpty)
    }
}

@Suite struct LogTests {
    /// Keeps lines.
    private struct Recorder: LogHandler {
        let lines = Lines()
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        final class Lines: Sendable {
            let all = Mutex<[String]>([])
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.all.withLock { $0.append("\(event.message) \(event.metadata?["reason"] ?? "")") }
        }
    }

    @Test func `what a client says can't forge a line, move the cursor or fill the log`() {
        let recorder = Recorder()
        let logger = Logger(label: "test") { _ in EscapedLogHandler(recorder) }
        logger.warning("NACK", metadata: ["reason": "a\nerror b\u{1b}[2J\u{202e}c\u{85}"])
        logger.warning("NACK", metadata: ["reason": "\(String(repeating: "x", count: 64_000))"])
        logger.warning("ok \u{e9}", metadata: ["reason": "plain"])
        let lines = recorder.lines.all.withLock { $0 }
        #expect(lines[0] == "NACK a\\u{a}error b\\u{1b}[2J\\u{202e}c\\u{85}")
        #expect(lines[1].utf8.count < 540 && lines[1].hasSuffix("... (64000 bytes)"))
        #expect(lines[2] == "ok \u{e9} plain")
    }

    @Test func `each client has so many warnings in a minute, and the others theirs`() {
        let limit = WarningLimit()
        let start = ContinuousClock.now
        let logged = (0..<1_000).count { _ in limit.admit(about: "a", at: start) != .suppressed }
        #expect(logged == WarningLimit.most)
        #expect(limit.admit(about: "b", at: start) == .logged(suppressedBefore: 0))
        let all = (0..<1_000).count { limit.admit(about: "c\($0)", at: start) != .suppressed }
        #expect(all == WarningLimit.maxOfAll - WarningLimit.most - 1)
        #expect(limit.admit(about: "a", at: start + .seconds(60)) == .logged(suppressedBefore: 990 + 711))
    }
}
