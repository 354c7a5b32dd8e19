import Synchronization

/// Whose views somebody has asked for: only these are built.
final class Demand: Sendable {
    private let asked = Mutex<Set<Viewer>>([])
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called when somebody asks for a view that nobody asked for before.
    init(changed: @escaping @Sendable () -> Void) { self.changed = changed }

    var viewers: Set<Viewer> { asked.withLock { $0 } }

    /// The view is built with the next snapshot, and kept up to date from then on.
    func ask(for viewer: Viewer) {
        if asked.withLock({ $0.insert(viewer).inserted }) { changed() }
    }
}
