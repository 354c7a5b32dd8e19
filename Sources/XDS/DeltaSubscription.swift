/// An incremental request of one type, without its bytes.
public struct DeltaRequest: Hashable, Sendable {
    /// Names to add.
    ///
    /// One that is there already is asked for again.
    public var subscribe: [ResourceName]
    /// Names to drop.
    public var unsubscribe: [ResourceName]
    /// What the client still holds from an earlier stream; only in the first request of a type.
    public var initialVersions: [ResourceName: String]
    /// The response that this answers; empty where it answers none.
    public var nonce: String
    /// The client's reason; nil unless this is a NACK.
    public var rejection: String?

    /// A request.
    public init(
        subscribe: [ResourceName] = [], unsubscribe: [ResourceName] = [], initialVersions: [ResourceName: String] = [:],
        nonce: String = "", rejection: String? = nil
    ) {
        self.subscribe = subscribe
        self.unsubscribe = unsubscribe
        self.initialVersions = initialVersions
        self.nonce = nonce
        self.rejection = rejection
    }
}

/// An incremental response of one type, without its bytes.
public struct DeltaResponse: Hashable, Sendable {
    /// What to send, each with the version to send.
    public var resources: [VersionedName]
    /// Collections of which everything is to be sent, besides.
    public var collections: [ResourceName] = []
    /// What doesn't exist, or no longer.
    public var removed: [ResourceName]
    /// Those of them that the client asked for and never had.
    public var absent: [ResourceName] = []
    /// Those of the resources that are sent because something else was: see `owe`.
    public var renewed: [ResourceName]
    /// The version of all that the client has after this; for people only.
    public var version: ResourceVersion
    /// Unique on this stream.
    public var nonce: Nonce
}

/// What one stream wants of one type, in incremental form, and what it has.
///
/// As with SotW, `receive` and `publish` only note what may have to be sent, and `next` says what.
public struct DeltaSubscription: Sendable {
    private struct Entry {
        /// Whether the client named it; otherwise it has it because it wants everything.
        var isNamed = false
        var sent: ResourceVersion?
        var acknowledged: ResourceVersion?
        /// Whether the client was told that there is no such resource.
        var isToldAbsent = false
    }

    /// A response that the client has not answered yet.
    private struct Unanswered {
        var nonce: Nonce
        var version: ResourceVersion
        var resources: [VersionedName]
        /// Those that something was sent of.
        var collections: [VersionedName]
    }

    /// More than this many unanswered responses are only counted as sent.
    private static let mostUnanswered = 16

    /// What the client wants by name, or has because it wants everything.
    private var entries: [ResourceName: Entry] = [:]
    /// How many of them it named.
    private var namedCount = 0
    /// Whether the client wants whatever there is.
    private(set) var isWildcard = false
    private let mayBeWildcard: Bool
    /// What the client wants all resources of.
    private var collections: [ResourceName: CollectionSubscription] = [:]
    /// Those that have to be looked at.
    private var pendingCollections: Set<ResourceName> = []
    /// Collections that the client dropped, with what it had: it may read of that after it has asked again.
    private var dropped: [ResourceName: CollectionSubscription] = [:]
    /// More than this many are forgotten.
    private static let mostDropped = 64
    private var held = SetVersion()
    private var pending: Set<ResourceName> = []
    /// Whether all names have to be looked at.
    private var isSweepPending = false
    /// Whether an answer is due even if there is nothing to say: a client that wants everything waits for it.
    private var isAnswerDue = false
    /// Sent whether or not the client has them, once it wants them: see `owe`.
    private var owed: Set<ResourceName> = []
    private var unanswered: [Unanswered] = []
    private var isFirst = true
    private var sentVersion: ResourceVersion?
    private var acknowledged: ResourceVersion?
    private var rejection: Rejection?

    /// - Parameter mayBeWildcard: whether a client may want whatever there is of this type.
    public init(mayBeWildcard: Bool = false) { self.mayBeWildcard = mayBeWildcard }

    /// How many names the client wants.
    public var nameCount: Int { namedCount + collections.count }

    /// The memory that they take, in bytes; about.
    private var nameBytes = 0
    /// The memory that the client has this keep, in bytes; about.
    var memoryBytes: Int { nameBytes + (rejection?.message.utf8.count ?? 0) }

    /// Whether `next` has to look for something to send.
    var isPending: Bool { !pending.isEmpty || isSweepPending || !pendingCollections.isEmpty }

    /// Takes an ACK.
    ///
    /// - Returns: false where it has to be taken in as a whole request.
    mutating func take(_ acknowledgement: Acknowledgement) -> Bool {
        guard !isFirst else { return false }
        answer(acknowledgement.nonce, rejection: nil)
        return true
    }

    /// Takes one request in.
    public mutating func receive(_ request: DeltaRequest) {
        if let nonce = Nonce(request.nonce) { answer(nonce, rejection: request.rejection) }
        // xDS, "incremental xDS": changes to the subscription count, whatever nonce they come with.
        for name in request.unsubscribe { unsubscribe(from: name) }
        // xDS, the legacy wildcard: a first request without names wants everything.
        if mayBeWildcard, isFirst, request.subscribe.isEmpty { subscribeToAll() }
        for name in request.subscribe { subscribe(to: name) }
        if isFirst {
            resumeCollections(with: request.initialVersions)
            for (name, version) in request.initialVersions where isWildcard || entries[name] != nil {
                // What the client still holds counts as sent; `next` finds whether that is still so.
                let held = ResourceVersion(held: version)
                entries[name, default: Entry()].acknowledged = held
                setSent(name, to: held)
                isAnswerDue = false
            }
        }
        isFirst = false
    }

    private mutating func subscribe(to name: ResourceName) {
        guard !mayBeWildcard || name != .wildcard else { return subscribeToAll() }
        guard !name.isCollection else { return subscribe(toCollection: name) }
        if entries[name]?.isNamed != true {
            namedCount += 1
            nameBytes += name.memoryBytes
        }
        entries[name, default: Entry()].isNamed = true
        // Asking again for a name means that the client doesn't have it: it is sent even when unchanged.
        setSent(name, to: nil)
        entries[name]?.isToldAbsent = false
        pending.insert(name)
    }

    private mutating func subscribe(toCollection name: ResourceName) {
        if collections[name] == nil { nameBytes += name.memoryBytes }
        if let last = dropped.removeValue(forKey: name) {
            collections[name] = last
            if let version = last.sent { held.insert(version) }
        }
        collections[name, default: CollectionSubscription()].owe()
        pendingCollections.insert(name)
        isAnswerDue = true
    }

    private mutating func resumeCollections(with versions: [ResourceName: String]) {
        guard !collections.isEmpty else { return }
        var held: [ResourceName: [ResourceName: ResourceVersion]] = [:]
        for (name, version) in versions where entries[name] == nil {
            guard let collection = name.collection, collections[collection] != nil else { continue }
            held[collection, default: [:]][name] = ResourceVersion(held: version)
        }
        for (collection, versions) in held {
            collections[collection]?.resume(with: versions)
            if let version = collections[collection]?.sent { self.held.insert(version) }
            isAnswerDue = false
        }
    }

    private mutating func unsubscribe(from name: ResourceName) {
        if let collection = collections.removeValue(forKey: name) {
            nameBytes -= name.memoryBytes
            if let version = collection.sent { held.remove(version) }
            pendingCollections.remove(name)
            if dropped.count == Self.mostDropped { dropped = [:] }
            dropped[name] = collection
        } else if mayBeWildcard, name == .wildcard {
            isWildcard = false
            for (name, entry) in entries where !entry.isNamed { remove(name) }
        } else if let entry = entries[name], entry.isNamed {
            namedCount -= 1
            nameBytes -= name.memoryBytes
            remove(name)
            // xDS: the client has dropped it, and has to be told again what it gets anyway.
            if isWildcard { pending.insert(name) }
        }
    }

    private mutating func subscribeToAll() {
        isWildcard = true
        isSweepPending = true
        isAnswerDue = true
    }

    private mutating func remove(_ name: ResourceName) {
        setSent(name, to: nil)
        entries[name] = nil
        pending.remove(name)
    }

    /// Notes that content changed, appeared or went.
    public mutating func publish(_ changes: ChangedNames) {
        if isWildcard {
            pending.formUnion(changes.names)
        } else if entries.count < changes.names.count {
            for name in entries.keys where changes.names.contains(name) { pending.insert(name) }
        } else {
            for name in changes.names where entries[name] != nil { pending.insert(name) }
        }
        guard !collections.isEmpty else { return }
        for (collection, names) in changes.byCollection where collections[collection] != nil {
            collections[collection]?.publish(names)
            pendingCollections.insert(collection)
        }
    }

    /// Notes that any content may have changed.
    public mutating func publishAll() {
        isSweepPending = true
        for name in collections.keys { collections[name]?.publishAll() }
        pendingCollections.formUnion(collections.keys)
    }

    /// Notes that these are to be sent even if the client has them: what they belong to was sent.
    ///
    /// They are sent as soon as the client wants them.
    mutating func owe(_ names: some Sequence<ResourceName>) {
        owed.formUnion(names)
        for name in owed where entries[name] != nil { pending.insert(name) }
    }

    /// Notes that all that is in these is to be sent even if the client has it, where it wants them.
    mutating func oweCollections(_ names: some Sequence<ResourceName>) {
        for name in names where collections[name] != nil {
            collections[name]?.owe()
            pendingCollections.insert(name)
        }
    }

    /// What to send now, if anything; the caller sends it.
    public mutating func next(in index: some VersionIndex, nonce: Nonce) -> DeltaResponse? {
        guard isPending else { return nil }
        if isSweepPending {
            pending.formUnion(entries.keys)
            if isWildcard { pending.formUnion(index.names) }
            isSweepPending = false
        }
        var renewed: [ResourceName] = []
        var resources: [VersionedName] = []
        var removed: [ResourceName] = []
        var absent: [ResourceName] = []
        for name in pending.sorted() {
            let version = index.version(of: name)
            guard var entry = entries[name] ?? (version != nil && isWildcard ? Entry() : nil) else { continue }
            if let version {
                let isOwed = !owed.isEmpty && owed.remove(name) != nil
                if isOwed { renewed.append(name) }
                if isOwed || entry.sent != version { resources.append(VersionedName(name: name, version: version)) }
            } else if entry.sent != nil || entry.isNamed && !entry.isToldAbsent {
                removed.append(name)
                if entry.sent == nil { absent.append(name) }
            }
            entry.isToldAbsent = version == nil
            entries[name] = entry
            setSent(name, to: version)
            if version == nil, !entry.isNamed { entries[name] = nil }
        }
        pending.removeAll()
        let named = resources
        var (whole, touched): ([ResourceName], [VersionedName]) = ([], [])
        for collection in pendingCollections.sorted() {
            guard let news = nextOfCollection(collection, in: index) else { continue }
            if news.isWhole { whole.append(collection) }
            resources += news.resources
            removed += news.removed
            if let version = collections[collection]?.sent {
                touched.append(VersionedName(name: collection, version: version))
            }
        }
        pendingCollections.removeAll()
        defer { isAnswerDue = false }
        guard !resources.isEmpty || !whole.isEmpty || !removed.isEmpty || isAnswerDue else { return nil }
        let version = held.version
        sentVersion = version
        unanswered.append(Unanswered(nonce: nonce, version: version, resources: named, collections: touched))
        if unanswered.count > Self.mostUnanswered { unanswered.removeFirst() }
        return DeltaResponse(
            resources: resources, collections: whole, removed: removed, absent: absent, renewed: renewed,
            version: version, nonce: nonce
        )
    }

    /// What to send of a collection; nothing that the client has by its own name (a resource twice would be refused).
    private mutating func nextOfCollection(
        _ name: ResourceName, in index: some VersionIndex
    ) -> CollectionSubscription.News? {
        let last = collections[name]?.sent
        let content = index.content(of: name)
        guard var news = collections[name]?.next(content) else { return nil }
        if last != content?.version {
            if let last { held.remove(last) }
            if let version = content?.version { held.insert(version) }
        }
        guard !entries.isEmpty else { return news }
        if news.isWhole, entries.keys.contains(where: { $0.collection == name }) {
            news.isWhole = false
            news.resources = (content?.names ?? []).sorted().compactMap { name in
                content?.version(of: name).map { VersionedName(name: name, version: $0) }
            }
        }
        news.resources.removeAll { entries[$0.name] != nil }
        news.removed.removeAll { entries[$0] != nil }
        return news
    }

    /// For whoever wants to look at it.
    ///
    /// - Parameter limit: how many resources are listed; the rest is only counted.
    public func status(listing limit: Int = .max) -> SubscriptionStatus {
        let listed = (entries.keys.smallest(limit) + collections.keys.smallest(limit)).smallest(limit)
        return SubscriptionStatus(
            resources: listed.map { name in
                let collection = collections[name]
                return SubscribedResource(
                    name: name, sent: collection?.sent ?? entries[name]?.sent,
                    acknowledged: collection?.acknowledged ?? entries[name]?.acknowledged)
            },
            count: entries.count + collections.count, sent: sentVersion, acknowledged: acknowledged,
            rejection: rejection
        )
    }

    /// Notes an ACK or a NACK.
    ///
    /// A nonce that this stream doesn't know (Envoy has sent an earlier stream's) answers nothing.
    private mutating func answer(_ nonce: Nonce, rejection message: String?) {
        guard let position = unanswered.firstIndex(where: { $0.nonce == nonce }) else { return }
        let response = unanswered.remove(at: position)
        if let message {
            rejection = Rejection(version: response.version, message: message)
            return
        }
        acknowledged = response.version
        rejection = nil
        for resource in response.resources { entries[resource.name]?.acknowledged = resource.version }
        for collection in response.collections { collections[collection.name]?.acknowledged = collection.version }
    }

    private mutating func setSent(_ name: ResourceName, to version: ResourceVersion?) {
        guard let previous = entries[name]?.sent ?? nil, previous == version else {
            if let previous = entries[name]?.sent { held.remove(previous) }
            if let version { held.insert(version) }
            entries[name]?.sent = version
            return
        }
    }
}
