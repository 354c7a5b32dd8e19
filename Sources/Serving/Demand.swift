public import Snapshots
import Synchronization

/// Tracks which views are in use; only these are built.
public final class Demand: Sendable {
    /// How long an unused view is kept up to date, since clients reconnect.
    static let patience = Duration.seconds(60)

    private struct Want {
        /// The number of sessions that use it.
        var holders = 0
        /// The end of the time for which it is kept without sessions; nil if none is set.
        var end: ContinuousClock.Instant?
    }

    private let wants = Mutex<[ViewKey: Want]>([:])
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called when a view is first used, and when its last session ends.
    init(changed: @escaping @Sendable () -> Void) { self.changed = changed }

    /// The views in use at that time, and when the next of them expires.
    public func views(at now: ContinuousClock.Instant) -> (wanted: Set<ViewKey>, next: ContinuousClock.Instant?) {
        wants.withLock { wants in
            wants = wants.filter { $0.value.holders > 0 || $0.value.end.map { $0 > now } == true }
            let ends = wants.values.compactMap { $0.holders > 0 ? nil : $0.end }
            return (Set(wants.keys), ends.min())
        }
    }

    /// Replaces a session's view; the new one is built with the next snapshot and kept up to date while it is held.
    func replace(_ last: ViewKey?, with next: ViewKey?) {
        guard next != last else { return }
        if let next { note(next) { $0.holders += 1 } }
        if let last { release(last) }
    }

    private func release(_ view: ViewKey) {
        let isLast = wants.withLock { wants in
            guard var want = wants[view], want.holders > 0 else { return false }
            want.holders -= 1
            if want.holders == 0 { want.end = .now + Self.patience }
            wants[view] = want
            return want.holders == 0
        }
        if isLast { changed() }
    }

    /// Requests a view without holding it: it is built with the next snapshot and kept up to date for `patience`.
    func ask(for view: ViewKey) { note(view) { $0.end = .now + Self.patience } }

    private func note(_ view: ViewKey, _ change: (inout Want) -> Void) {
        let isNew = wants.withLock { wants in
            let isNew = wants[view] == nil
            change(&wants[view, default: Want()])
            return isNew
        }
        if isNew { changed() }
    }
}
