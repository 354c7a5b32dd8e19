import Snapshots
import Synchronization

/// Publications on their way to the streams of one thread.
///
/// Whoever publishes doesn't wait for the threads: one that is slow gets several at once, and of very many the last one.
final class PublicationQueue: Sendable {
    /// What the streams are told.
    struct Item {
        var publication: Publication
        /// Whether publications before it were left out: anything may have changed.
        var followsGap = false
        /// Whether clients may get other views than before.
        var changesFederation: Bool
        /// Nil once another publication stands for it.
        var progress: PublicationProgress
    }

    /// More publications than this are told as one.
    private static let most = 16

    private let items = Mutex<[Item]>([])
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func add(_ publication: Publication, _ progress: PublicationProgress) {
        progress.tell()
        let dropped = items.withLock { items in
            var item = Item(
                publication: publication, changesFederation: publication.changesFederation, progress: progress)
            guard items.count >= Self.most else {
                items.append(item)
                return [Item]()
            }
            item.followsGap = true
            item.changesFederation = item.changesFederation || items.contains(where: \.changesFederation)
            defer { items = [item] }
            return items
        }
        for item in dropped { item.progress.told() }
        continuation.yield()
    }

    /// Calls `body` with what there is, in order, until the task is cancelled.
    func forEach(_ body: ([Item]) async -> Void) async {
        for await _ in signals {
            let next = items.withLock { items in
                defer { items = [] }
                return items
            }
            guard !next.isEmpty else { continue }
            await body(next)
            for item in next { item.progress.told() }
        }
    }
}
