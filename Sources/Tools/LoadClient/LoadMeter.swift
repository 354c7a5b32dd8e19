import Synchronization

/// Counts what all streams of a load receive.
final class LoadMeter: Sendable {
    /// The changes that were made, to be recognized in what streams receive.
    private struct Changes {
        /// When each change of each service was made; the first entry is the initial state.
        var times: [[ContinuousClock.Instant]]
        var latencies: [Duration] = []
    }

    struct Totals: Sendable {
        var responses = 0
        var resources = 0
        var bytes = 0
        /// The number of streams that have received every name of their subscription.
        var synced = 0
        /// The number of streams that ended unexpectedly.
        var losses = 0
        /// The number of (stream, change) pairs that arrived.
        var receipts = 0
    }

    /// Whether a change is recognized by the weight of the service's first pod; if not, anything received counts.
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

    /// From change to receipt, unordered.
    var latencies: [Duration] { changes.withLock(\.latencies) }

    func count(responseOf byteCount: Int, resources count: Int) {
        responses.wrappingAdd(1, ordering: .relaxed)
        resources.wrappingAdd(count, ordering: .relaxed)
        bytes.wrappingAdd(byteCount, ordering: .relaxed)
    }

    func noteSync(_ isSynced: Bool) { synced.wrappingAdd(isSynced ? 1 : -1, ordering: .relaxed) }
    func noteLoss() { losses.wrappingAdd(1, ordering: .relaxed) }

    /// Records a change that is about to be made.
    ///
    /// - Returns: the number of the change, 1 for a service's first.
    func noteChange(of service: Int) -> Int {
        changes.withLock { changes in
            changes.times[service].append(.now)
            return changes.times[service].count - 1
        }
    }

    /// Records that a stream has received a service.
    ///
    /// - Parameters:
    ///   - weight: the weight of the service's first pod: the number of its last change plus one.
    ///   - last: the last change that the stream had.
    /// - Returns: the last change that the stream has now.
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
