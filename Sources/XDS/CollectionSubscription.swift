/// A client's state of one collection, and the resources that are due.
///
/// A client that is up to date costs one reference, whatever the size of the collection.
struct CollectionSubscription: Sendable {
    private enum Due {
        case nothing
        /// These names may differ.
        case names(Set<ResourceName>)
        /// Any name may differ.
        case difference
        /// All resources are due, even if the client has them.
        case everything
    }

    /// The part of a response about the collection.
    struct News {
        /// Whether all resources are sent; `resources` is empty then.
        var isWhole = false
        var resources: [VersionedName] = []
        var removed: [ResourceName] = []
    }

    private var held: (any CollectionContent)?
    private var due = Due.everything
    var acknowledged: ResourceVersion?

    /// The version that the client has or is being sent; nil before the first.
    var sent: ResourceVersion? { held?.version }

    var isPending: Bool { if case .nothing = due { false } else { true } }

    /// Notes what the client still holds from an earlier stream.
    mutating func resume(with versions: [ResourceName: ResourceVersion]) {
        held = StatedContent(versions)
        due = .difference
    }

    /// Notes that these resources may have changed.
    mutating func publish(_ names: Set<ResourceName>) {
        switch due {
        case .nothing: due = .names(names)
        case .names(let known): due = .names(known.union(names))
        case .difference, .everything: break
        }
    }

    /// Notes that any resource may have changed.
    mutating func publishAll() {
        switch due {
        case .nothing, .names: due = .difference
        case .difference, .everything: break
        }
    }

    /// Makes all resources due, even if the client has them.
    mutating func resend() { due = .everything }

    /// What to send now.
    mutating func next(_ content: (any CollectionContent)?) -> News {
        defer {
            held = content
            due = .nothing
        }
        switch due {
        case .nothing: return News()
        case .names(let names): return difference(of: names, content)
        case .difference:
            guard held !== content else { return News() }
            return difference(of: Set(held?.names ?? []).union(content?.names ?? []), content)
        case .everything:
            return News(
                isWhole: content != nil,
                removed: (held?.names ?? []).filter { content?.version(of: $0) == nil }.sorted())
        }
    }

    private func difference(of names: Set<ResourceName>, _ content: (any CollectionContent)?) -> News {
        var news = News()
        for name in names.sorted() {
            let version = content?.version(of: name)
            guard version != held?.version(of: name) else { continue }
            if let version {
                news.resources.append(VersionedName(name: name, version: version))
            } else {
                news.removed.append(name)
            }
        }
        return news
    }
}
