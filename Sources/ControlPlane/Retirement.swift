import Balancing
import XDS

/// Keeps for a while what is no longer wanted but may still be in use: make before break.
///
/// Endpoints go at once. The listeners that they named go when every client has had time to take that, and the Envoy
/// clusters that those led to, a gateway's clusters of single pods among them, go last.
struct Retirement {
    /// How long a resource of a type outlives its end.
    static let delays: [TypeURL: Duration] = [.listener: .seconds(2), .cluster: .seconds(4)]

    private struct Key: Hashable {
        var viewer: Viewer
        var type: TypeURL
        var name: ResourceName
    }

    private struct Entry {
        var resource: ServedResource
        var until: ContinuousClock.Instant
    }

    private var entries: [Key: Entry] = [:]

    /// When the next of them goes.
    var next: ContinuousClock.Instant? { entries.values.map(\.until).min() }

    /// Adds to a viewer's new resources those of its last ones whose time has not come yet.
    mutating func extend(
        _ resources: inout [TypeURL: ResourceIndex], of viewer: Viewer, after last: [TypeURL: ResourceIndex],
        at now: ContinuousClock.Instant
    ) {
        for (type, delay) in Self.delays {
            var index = resources[type] ?? ResourceIndex()
            for (name, resource) in last[type]?.resources ?? [:] {
                let key = Key(viewer: viewer, type: type, name: name)
                guard index.resources[name] == nil else {
                    entries[key] = nil
                    continue
                }
                let entry = entries[key] ?? Entry(resource: resource, until: now + delay)
                entries[key] = entry.until > now ? entry : nil
                if entry.until > now { index.add(entry.resource) }
            }
            resources[type] = index
        }
    }

    /// Forgets viewers that are no longer there.
    mutating func keep(_ viewers: Set<Viewer>) { entries = entries.filter { viewers.contains($0.key.viewer) } }
}
