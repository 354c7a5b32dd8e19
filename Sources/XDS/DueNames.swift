/// The names of a subscription for which `next` may have something to send.
///
/// Each is there once, whatever the number of changes, so that a slow client can't make it grow.
struct DueNames: Sendable {
    private var names: Set<ResourceName> = []
    /// Whether all names are due.
    private var isSweep = false
    /// Names whose resources are sent even if the client has them, as soon as it wants them.
    private var resent: Set<ResourceName> = []

    var isEmpty: Bool { names.isEmpty && !isSweep }

    mutating func insert(_ name: ResourceName) { names.insert(name) }
    mutating func insert(_ added: Set<ResourceName>) { names.formUnion(added) }
    mutating func insertAll() { isSweep = true }

    mutating func remove(_ name: ResourceName) { names.remove(name) }

    /// Makes only resources due that have to be sent again: the client has all the others.
    mutating func keepResent() { names.formIntersection(resent) }

    /// Makes changed names due if the client wants them.
    mutating func insert(_ changes: Set<ResourceName>, of wanted: some Collection<ResourceName>) {
        if wanted.count < changes.count {
            for name in wanted where changes.contains(name) { names.insert(name) }
        } else {
            for name in changes where wanted.contains(name) { names.insert(name) }
        }
    }

    /// Makes resources due even if the client has them, now or when the client subscribes to them.
    mutating func resend(_ added: some Sequence<ResourceName>, of wanted: some Collection<ResourceName>) {
        resent.formUnion(added)
        for name in resent where wanted.contains(name) { names.insert(name) }
    }

    /// Replaces a sweep by the names that it covers.
    mutating func resolveSweep(_ all: () -> Set<ResourceName>) {
        guard isSweep else { return }
        isSweep = false
        names.formUnion(all())
    }

    /// All due names in order; none is due after this.
    mutating func removeAll() -> [ResourceName] {
        defer { names.removeAll() }
        return names.sorted()
    }

    /// Whether a resource, which is sent now, had to be sent even if the client has it.
    mutating func removeResent(_ name: ResourceName) -> Bool { !resent.isEmpty && resent.remove(name) != nil }
}
