/// The collections that a delta client wants all resources of (xDS, globs).
struct CollectionSubscriptions: Sendable {
    /// What a response says of all due collections.
    struct News {
        /// Collections of which all resources are sent.
        var whole: [ResourceName] = []
        var resources: [VersionedName] = []
        var removed: [ResourceName] = []
        /// The collections that something is sent of, at the version to send.
        var touched: [VersionedName] = []
    }

    /// How many dropped collections are remembered.
    private static let maxDropped = 64

    private var wanted: [ResourceName: CollectionSubscription] = [:]
    private var due: Set<ResourceName> = []
    /// Collections that the client dropped, with what it had: it may read of that after it has asked again.
    private var dropped: [ResourceName: CollectionSubscription] = [:]
    /// The version of all collections that the client has, or is being sent.
    private(set) var version = SetVersion()

    var count: Int { wanted.count }
    var isEmpty: Bool { wanted.isEmpty }
    var isPending: Bool { !due.isEmpty }
    var names: Dictionary<ResourceName, CollectionSubscription>.Keys { wanted.keys }

    subscript(name: ResourceName) -> CollectionSubscription? { wanted[name] }

    /// - Returns: whether the collection is new.
    mutating func subscribe(to name: ResourceName) -> Bool {
        let isNew = wanted[name] == nil
        if let last = dropped.removeValue(forKey: name) {
            wanted[name] = last
            if let sent = last.sent { version.insert(sent) }
        }
        wanted[name, default: CollectionSubscription()].resend()
        due.insert(name)
        return isNew
    }

    /// - Returns: whether the client wanted the collection.
    mutating func unsubscribe(from name: ResourceName) -> Bool {
        guard let collection = wanted.removeValue(forKey: name) else { return false }
        if let sent = collection.sent { version.remove(sent) }
        due.remove(name)
        if dropped.count == Self.maxDropped { dropped = [:] }
        dropped[name] = collection
        return true
    }

    /// Notes what the client still holds from an earlier stream.
    ///
    /// - Returns: whether it holds something of a collection that it wants.
    mutating func resume(with versions: some Sequence<(key: ResourceName, value: String)>) -> Bool {
        guard !wanted.isEmpty else { return false }
        var held: [ResourceName: [ResourceName: ResourceVersion]] = [:]
        for (name, version) in versions {
            guard let collection = name.collection, wanted[collection] != nil else { continue }
            held[collection, default: [:]][name] = ResourceVersion(held: version)
        }
        for (collection, versions) in held {
            wanted[collection]?.resume(with: versions)
            if let sent = wanted[collection]?.sent { version.insert(sent) }
        }
        return !held.isEmpty
    }

    /// Notes that resources changed, appeared or went.
    mutating func publish(_ changes: ChangedNames) {
        guard !wanted.isEmpty else { return }
        for (collection, names) in changes.byCollection where wanted[collection] != nil {
            wanted[collection]?.publish(names)
            due.insert(collection)
        }
    }

    /// Notes that any resource may have changed.
    mutating func publishAll() {
        for name in wanted.keys { wanted[name]?.publishAll() }
        due.formUnion(wanted.keys)
    }

    /// Has all resources of these collections sent even if the client has them, if it wants the collections.
    mutating func resend(_ names: some Sequence<ResourceName>) {
        for name in names where wanted[name] != nil {
            wanted[name]?.resend()
            due.insert(name)
        }
    }

    /// What to send now.
    ///
    /// - Parameter named: whether the client wants a resource by its own name; it is left out then, because a client
    ///   refuses a response that has a resource twice.
    mutating func next(in index: some VersionIndex, except named: some Collection<ResourceName>) -> News {
        var news = News()
        for name in due.sorted() {
            let last = wanted[name]?.sent
            let content = index.content(of: name)
            guard var own = wanted[name]?.next(content) else { continue }
            if last != content?.version {
                if let last { version.remove(last) }
                if let sent = content?.version { version.insert(sent) }
            }
            if !named.isEmpty { own.leaveOut(named, of: name, content) }
            if own.isWhole { news.whole.append(name) }
            news.resources += own.resources
            news.removed += own.removed
            if let sent = wanted[name]?.sent { news.touched.append(VersionedName(name: name, version: sent)) }
        }
        due.removeAll()
        return news
    }

    /// Notes an ACK of a collection at a version.
    mutating func acknowledge(_ collection: VersionedName) {
        wanted[collection.name]?.acknowledged = collection.version
    }
}

extension CollectionSubscription.News {
    fileprivate mutating func leaveOut(
        _ named: some Collection<ResourceName>, of collection: ResourceName, _ content: (any CollectionContent)?
    ) {
        if isWhole, named.contains(where: { $0.collection == collection }) {
            isWhole = false
            resources = (content?.names ?? []).sorted().compactMap { name in
                content?.version(of: name).map { VersionedName(name: name, version: $0) }
            }
        }
        resources.removeAll { named.contains($0.name) }
        removed.removeAll { named.contains($0) }
    }
}
