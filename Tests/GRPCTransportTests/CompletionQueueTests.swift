import Synchronization
import TestBench
import Testing

@testable import GRPCTransport

/// An actor on a queue, whose jobs must never run at the same time.
private actor Pinned {
    nonisolated let queue = CompletionQueue()
    private let inside: Atomic<Int>
    private let overlaps: Atomic<Int>
    private(set) var count = 0

    init() {
        inside = Atomic(0)
        overlaps = Atomic(0)
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }
    nonisolated var overlapping: Int { overlaps.load(ordering: .acquiring) }

    func work() {
        if inside.add(1, ordering: .acquiringAndReleasing).oldValue != 0 {
            overlaps.add(1, ordering: .releasing)
        }
        for _ in 0..<300 { count &+= 1 }
        inside.subtract(1, ordering: .acquiringAndReleasing)
    }
}

@Test func `jobs that come while a queue stops run one after the other, and all of them`() async throws {
    for _ in 0..<1_000 {
        let pinned = Pinned()
        pinned.queue.start { _, _ in }
        await withTaskGroup { group in
            for _ in 0..<16 { group.addTask { for _ in 0..<50 { await pinned.work() } } }
            // In the middle of it; the moment that matters is short, and so there are many rounds.
            group.addTask {
                while await pinned.count < 100 {}
                await pinned.queue.stop()
            }
        }
        #expect(pinned.overlapping == 0)
        #expect(await pinned.count == 16 * 50 * 300)
    }
}
