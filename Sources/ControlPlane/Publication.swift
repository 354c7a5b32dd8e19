import Balancing
import XDS

/// A new snapshot, and what it changes; worked out once, whatever the number of streams.
struct Publication: Sendable {
    let snapshot: Snapshot
    /// For each viewer, the names of each type that came, went or changed.
    let changes: [Viewer: [TypeURL: Set<ResourceName>]]

    init(_ snapshot: Snapshot, since last: Snapshot?) {
        self.snapshot = snapshot
        changes = Dictionary(
            uniqueKeysWithValues: snapshot.views.map { viewer, view in
                let changes = view.resources.map { type, index in
                    (type, index.changes(since: last?.index(type, for: viewer) ?? ResourceIndex()))
                }
                return (viewer, Dictionary(uniqueKeysWithValues: changes.filter { !$0.1.isEmpty }))
            }
        )
    }
}
