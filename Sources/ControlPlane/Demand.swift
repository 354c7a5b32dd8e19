import Synchronization

/// Whose views somebody wants: only these are built.
final class Demand: Sendable {
    /// How long a view is kept up to date after the last who wanted it has gone: clients come back.
    static let patience = Duration.seconds(60)

    private struct Want {
        /// Streams that are served it.
        var holders = 0
        /// Until when it is wanted besides.
        var end: ContinuousClock.Instant?
    }

    private let wants = Mutex<[Viewer: Want]>([:])
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called when a view is first wanted, and when its last holder releases it.
    init(changed: @escaping @Sendable () -> Void) { self.changed = changed }

    /// Those that are wanted at that time, and when the next of them is wanted no longer.
    func viewers(at now: ContinuousClock.Instant) -> (viewers: Set<Viewer>, next: ContinuousClock.Instant?) {
        wants.withLock { wants in
            wants = wants.filter { $0.value.holders > 0 || $0.value.end.map { $0 > now } == true }
            let ends = wants.values.compactMap { $0.holders > 0 ? nil : $0.end }
            return (Set(wants.keys), ends.min())
        }
    }

    /// The view is built with the next snapshot, and kept up to date until `release`.
    func hold(_ viewer: Viewer) { note(viewer) { $0.holders += 1 } }

    /// One who held it holds it no longer.
    func release(_ viewer: Viewer) {
        let isLast = wants.withLock { wants in
            guard var want = wants[viewer], want.holders > 0 else { return false }
            want.holders -= 1
            if want.holders == 0 { want.end = .now + Self.patience }
            wants[viewer] = want
            return want.holders == 0
        }
        if isLast { changed() }
    }

    /// The view is built with the next snapshot, and kept up to date for a while.
    func ask(for viewer: Viewer) { note(viewer) { $0.end = .now + Self.patience } }

    private func note(_ viewer: Viewer, _ change: (inout Want) -> Void) {
        let isNew = wants.withLock { wants in
            let isNew = wants[viewer] == nil
            change(&wants[viewer, default: Want()])
            return isNew
        }
        if isNew { changed() }
    }
}
