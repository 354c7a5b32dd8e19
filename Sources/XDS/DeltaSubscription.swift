/// The subscription of one type on one stream, in incremental form.
///
/// As with SotW, `receive` and `publish` only note which names are due, and `next` makes the response.
public struct DeltaSubscription: Sendable {
    private struct Entry {
        /// Whether the client named it; otherwise the client has it because it wants all resources.
        var isNamed = false
        var sent: ResourceVersion?
        var acknowledged: ResourceVersion?
        /// Whether the client knows that there is no such resource.
        var isMissing = false
    }

    /// A response that the client has not answered yet.
    private struct Unanswered {
        var nonce: Nonce
        var version: ResourceVersion
        var resources: [VersionedName]
        /// The collections that something was sent of.
        var collections: [VersionedName]
    }

    /// How many unanswered responses are remembered; the resources of older ones count as sent only.
    private static let maxUnanswered = 16

    private let mayBeWildcard: Bool
    /// Whether no request came yet.
    private var isFirst = true
    /// The resources that the client names, or has because it wants all.
    private var entries: [ResourceName: Entry] = [:]
    /// How many of them the client named.
    private var namedCount = 0
    /// The memory that the names take, in bytes, about.
    private var nameBytes = 0
    /// Whether the client wants all resources of the type.
    private(set) var isWildcard = false
    private var collections = CollectionSubscriptions()
    /// The version of all entries.
    private var held = SetVersion()
    private var due = DueNames()
    /// Whether a response is due even if no resource changed: a client that wants all resources waits for it.
    private var isResponseDue = false
    private var unanswered: [Unanswered] = []
    private var sentVersion: ResourceVersion?
    private var answers = ClientAnswers()

    /// - Parameter mayBeWildcard: whether a client may want all resources of the type.
    public init(mayBeWildcard: Bool = false) { self.mayBeWildcard = mayBeWildcard }

    /// How many names the client wants.
    public var nameCount: Int { namedCount + collections.count }

    /// The memory that the client makes this keep, in bytes, about.
    var memoryBytes: Int { nameBytes + answers.memoryBytes }

    /// Whether `next` has names to look at.
    var isPending: Bool { !due.isEmpty || collections.isPending }

    /// Notes an ACK.
    ///
    /// - Returns: false if the whole request has to be received.
    mutating func acknowledge(_ acknowledgement: Acknowledgement) -> Bool {
        guard !isFirst else { return false }
        answer(acknowledgement.nonce, rejection: nil)
        return true
    }

    /// Notes what one request asks for and answers.
    public mutating func receive(_ request: DeltaRequest) {
        if let nonce = Nonce(request.nonce) { answer(nonce, rejection: request.rejection) }
        // xDS, "incremental xDS": changes to the subscription apply, whatever the nonce.
        for name in request.unsubscribe { unsubscribe(from: name) }
        // xDS, the legacy wildcard: a first request without names wants everything.
        if mayBeWildcard, isFirst, request.subscribe.isEmpty { subscribeToAll() }
        for name in request.subscribe { subscribe(to: name) }
        if isFirst { resume(with: request.initialVersions) }
        isFirst = false
    }

    private mutating func subscribe(to name: ResourceName) {
        guard !mayBeWildcard || name != .wildcard else { return subscribeToAll() }
        guard !name.isCollection else {
            if collections.subscribe(to: name) { nameBytes += name.memoryBytes }
            isResponseDue = true
            return
        }
        if entries[name]?.isNamed != true {
            namedCount += 1
            nameBytes += name.memoryBytes
        }
        entries[name, default: Entry()].isNamed = true
        // A client that asks for a name again doesn't have the resource: it is sent even if it has not changed.
        setSent(name, to: nil)
        entries[name]?.isMissing = false
        due.insert(name)
    }

    private mutating func unsubscribe(from name: ResourceName) {
        if collections.unsubscribe(from: name) {
            nameBytes -= name.memoryBytes
        } else if mayBeWildcard, name == .wildcard {
            isWildcard = false
            for (name, entry) in entries where !entry.isNamed { remove(name) }
        } else if let entry = entries[name], entry.isNamed {
            namedCount -= 1
            nameBytes -= name.memoryBytes
            remove(name)
            // xDS: the client has dropped the resource. It is sent again to a client that wants all resources.
            if isWildcard { due.insert(name) }
        }
    }

    private mutating func subscribeToAll() {
        isWildcard = true
        due.insertAll()
        isResponseDue = true
    }

    /// What the client still holds counts as sent; `next` finds the differences.
    private mutating func resume(with versions: [ResourceName: String]) {
        if collections.resume(with: versions.lazy.filter { [entries] in entries[$0.key] == nil }) {
            isResponseDue = false
        }
        for (name, version) in versions where isWildcard || entries[name] != nil {
            let held = ResourceVersion(held: version)
            entries[name, default: Entry()].acknowledged = held
            setSent(name, to: held)
            isResponseDue = false
        }
    }

    private mutating func remove(_ name: ResourceName) {
        setSent(name, to: nil)
        entries[name] = nil
        due.remove(name)
    }

    /// Notes that resources changed, appeared or went.
    public mutating func publish(_ changes: ChangedNames) {
        if isWildcard { due.insert(changes.names) } else { due.insert(changes.names, of: entries.keys) }
        collections.publish(changes)
    }

    /// Notes that any resource may have changed.
    public mutating func publishAll() {
        due.insertAll()
        collections.publishAll()
    }

    /// Has resources sent even if the client has them, as soon as the client wants them.
    mutating func resend(_ names: some Sequence<ResourceName>) { due.resend(names, of: entries.keys) }

    /// Has all resources of collections sent even if the client has them, if it wants the collections.
    mutating func resendCollections(_ names: some Sequence<ResourceName>) { collections.resend(names) }

    /// The response to send now, if one is due.
    public mutating func next(in index: some VersionIndex, nonce: Nonce) -> DeltaResponse? {
        guard isPending else { return nil }
        due.resolveSweep { Set(entries.keys).union(isWildcard ? index.names : []) }
        var response = DeltaResponse(version: held.version, nonce: nonce)
        for name in due.removeAll() { look(at: name, index.version(of: name), &response) }
        let named = response.resources
        let news = collections.next(in: index, except: entries.keys)
        response.resources += news.resources
        response.collections = news.whole
        response.removed += news.removed
        defer { isResponseDue = false }
        guard !response.isEmpty || isResponseDue else { return nil }
        response.version = held.union(collections.version).version
        sentVersion = response.version
        unanswered.append(
            Unanswered(nonce: nonce, version: response.version, resources: named, collections: news.touched))
        if unanswered.count > Self.maxUnanswered { unanswered.removeFirst() }
        return response
    }

    /// Adds a due resource to the response if the client doesn't have it so.
    private mutating func look(at name: ResourceName, _ version: ResourceVersion?, _ response: inout DeltaResponse) {
        guard var entry = entries[name] ?? (version != nil && isWildcard ? Entry() : nil) else { return }
        if let version {
            let isResent = due.removeResent(name)
            if isResent { response.renewed.append(name) }
            if isResent || entry.sent != version {
                response.resources.append(VersionedName(name: name, version: version))
            }
        } else if entry.sent != nil || entry.isNamed && !entry.isMissing {
            response.removed.append(name)
            if entry.sent == nil { response.absent.append(name) }
        }
        entry.isMissing = version == nil
        entries[name] = entry
        setSent(name, to: version)
        if version == nil, !entry.isNamed { entries[name] = nil }
    }

    /// The status of the subscription.
    ///
    /// - Parameter limit: how many resources are listed; the rest is only counted.
    public func status(listing limit: Int = .max) -> SubscriptionStatus {
        let listed = (entries.keys.smallest(limit) + collections.names.smallest(limit)).smallest(limit)
        return SubscriptionStatus(
            resources: listed.map { name in
                let collection = collections[name]
                return SubscribedResource(
                    name: name, sent: collection?.sent ?? entries[name]?.sent,
                    acknowledged: collection?.acknowledged ?? entries[name]?.acknowledged)
            },
            count: entries.count + collections.count, sent: sentVersion, acknowledged: answers.acknowledged,
            rejection: answers.rejection
        )
    }

    /// The client's state of one resource; nil if it doesn't subscribe to it.
    func resource(_ name: ResourceName) -> SubscribedResource? {
        entries[name].map { SubscribedResource(name: name, sent: $0.sent, acknowledged: $0.acknowledged) }
    }

    /// Notes an ACK or a NACK.
    ///
    /// A nonce that this stream doesn't know (Envoy has sent an earlier stream's) answers nothing.
    private mutating func answer(_ nonce: Nonce, rejection: String?) {
        guard let position = unanswered.firstIndex(where: { $0.nonce == nonce }) else { return }
        let response = unanswered.remove(at: position)
        answers.note(response.version, rejection: rejection)
        guard rejection == nil else { return }
        for resource in response.resources { entries[resource.name]?.acknowledged = resource.version }
        for collection in response.collections { collections.acknowledge(collection) }
    }

    private mutating func setSent(_ name: ResourceName, to version: ResourceVersion?) {
        let previous = entries[name]?.sent
        guard previous != version else { return }
        if let previous { held.remove(previous) }
        if let version { held.insert(version) }
        entries[name]?.sent = version
    }
}
