import Synchronization

/// What all streams of a load have received, counted as they go.
final class LoadMeter: Sendable {
    /// The changes that were made, which streams look for in what they receive.
    private struct Changes {
        /// When each change of each service was made; the first is what was there at the start.
        var times: [[ContinuousClock.Instant]]
        var latencies: [Duration] = []
    }

    /// Sums since the start.
    struct Totals: Sendable {
        var responses = 0
        var resources = 0
        var bytes = 0
        /// Streams that have something of each name that they want.
        var synced = 0
        /// Streams that ended without the client's doing.
        var losses = 0
        /// (stream, change) pairs that arrived.
        var receipts = 0
    }

    /// Whether a change can be told by the weight of the service's first pod, or only by the fact that something came.
    let tellsByWeight: Bool
    private let responses = Atomic(0)
    private let resources = Atomic(0)
    private let bytes = Atomic(0)
    private let synced = Atomic(0)
    private let losses = Atomic(0)
    private let receipts = Atomic(0)
    private let changes: Mutex<Changes>

    init(services: Int, tellsByWeight: Bool) {
        self.tellsByWeight = tellsByWeight
        changes = Mutex(Changes(times: Array(repeating: [.now], count: services)))
    }

    var totals: Totals {
        Totals(
            responses: responses.load(ordering: .relaxed), resources: resources.load(ordering: .relaxed),
            bytes: bytes.load(ordering: .relaxed), synced: synced.load(ordering: .relaxed),
            losses: losses.load(ordering: .relaxed), receipts: receipts.load(ordering: .acquiring))
    }

    /// From change to receipt, in no order.
    var latencies: [Duration] { changes.withLock(\.latencies) }

    func count(responseOf byteCount: Int, resources count: Int) {
        responses.wrappingAdd(1, ordering: .relaxed)
        resources.wrappingAdd(count, ordering: .relaxed)
        bytes.wrappingAdd(byteCount, ordering: .relaxed)
    }

    func noteSync(_ isSynced: Bool) { synced.wrappingAdd(isSynced ? 1 : -1, ordering: .relaxed) }
    func noteLoss() { losses.wrappingAdd(1, ordering: .relaxed) }

    /// A change is about to be made.
    ///
    /// - Returns: its number: 1 for a service's first.
    func noteChange(of service: Int) -> Int {
        changes.withLock { changes in
            changes.times[service].append(.now)
            return changes.times[service].count - 1
        }
    }

    /// A stream has received a service.
    ///
    /// - Parameters:
    ///   - weight: of the service's first pod, which is one more than the number of the last change in it.
    ///   - last: the last change that the stream had.
    /// - Returns: the last change that it has now.
    func noteReceipt(of service: Int, weight: UInt64?, after last: Int) -> Int {
        let now = ContinuousClock.now
        let count = changes.withLock { changes in
            let newest = changes.times[service].count - 1
            let number = tellsByWeight ? min(Int(clamping: weight ?? 1) - 1, newest) : newest
            guard number > last else { return 0 }
            for change in max(last, 0)..<number {
                changes.latencies.append(changes.times[service][change + 1].duration(to: now))
            }
            return number - max(last, 0)
        }
        receipts.wrappingAdd(count, ordering: .releasing)
        return max(last, 0) + count
    }
}
