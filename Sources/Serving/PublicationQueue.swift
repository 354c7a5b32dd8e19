import Snapshots
import Synchronization

/// The publications that the streams of one thread have yet to apply.
///
/// The publisher doesn't wait for the threads. A slow thread gets several publications at once; if there are too many,
/// it gets only the newest.
final class PublicationQueue: Sendable {
    /// A publication as streams receive it.
    struct Item {
        var publication: Publication
        /// Whether publications before this one were dropped, so that anything may have changed.
        var followsGap = false
        /// Whether the views that clients get may have changed, in this publication or in a dropped one.
        var changesFederation: Bool
        /// Tracks when the publication has been written and answered.
        var progress: PublicationProgress
    }

    /// The maximum length of the queue; one more publication replaces all that are queued.
    private static let most = 16

    private let items = Mutex<[Item]>([])
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func add(_ publication: Publication, _ progress: PublicationProgress) {
        progress.addThread()
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
        for item in dropped { item.progress.finishThread() }
        continuation.yield()
    }

    /// Calls `body` with the queued publications, in order, until the task is cancelled.
    func forEach(_ body: ([Item]) async -> Void) async {
        for await _ in signals {
            let next = items.withLock { items in
                defer { items = [] }
                return items
            }
            guard !next.isEmpty else { continue }
            await body(next)
            for item in next { item.progress.finishThread() }
        }
    }
}
