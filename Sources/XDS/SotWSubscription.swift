/// A state-of-the-world request of one type, without its bytes.
public struct SotWRequest: Hashable, Sendable {
    /// All names that the client wants now.
    public var names: [ResourceName]
    /// The version of the last response that the client took.
    public var version: String
    /// The response that this answers; empty where it answers none.
    public var nonce: String
    /// The client's reason; nil unless this is a NACK.
    public var rejection: String?
    /// Tells the names from others without a look at each; nil where that isn't known.
    public var digest: UInt64?

    /// A request.
    public init(
        names: [ResourceName], version: String = "", nonce: String = "", rejection: String? = nil,
        digest: UInt64? = nil
    ) {
        self.names = names
        self.digest = digest
        self.version = version
        self.nonce = nonce
        self.rejection = rejection
    }
}

/// A state-of-the-world response of one type, without its bytes.
public struct SotWResponse: Hashable, Sendable {
    /// What to send, each with the version to send.
    public var resources: [VersionedName]
    /// The names of those that the client doesn't have so yet.
    public var changed: [ResourceName]
    /// Names that the client gave and that don't exist, each told once (xDS, `resource_errors`).
    public var missing: [ResourceName]
    /// Those of them that are to be answered with an empty resource.
    ///
    /// An Envoy that starts would wait for the rest of its `initial_fetch_timeout`, 15 s, before it takes connections. Only
    /// names of which it can hold nothing: an empty assignment takes away all hosts that it has.
    public var vacant: [ResourceName]
    /// The version of all that the subscription covers.
    public var version: ResourceVersion
    /// Unique on this stream.
    public var nonce: Nonce
}

/// A resource at one version.
public struct VersionedName: Hashable, Sendable {
    /// Its name.
    public var name: ResourceName
    /// Its version.
    public var version: ResourceVersion

    /// A resource at that version.
    public init(name: ResourceName, version: ResourceVersion) {
        self.name = name
        self.version = version
    }
}

/// What one stream wants of one type, in state-of-the-world form, and what it has.
///
/// `receive` and `publish` only note what may have to be sent; `next` says what, at the moment when the stream can take
/// it. So a slow client owes one response, never a queue.
///
///     first request ──> names wanted ──next──> sent ──ACK──> acknowledged
///                           ^                   │
///                           └─ content changes ─┴──NACK──> rejected: silent until the content changes
///
/// A response carries what changed; or, for types where that is the rule (`isWhole`), all that there is of what the
/// client wants.
public struct SotWSubscription: Sendable {
    /// Every name that the client gave.
    private var wanted: Set<ResourceName> = []
    /// Whether the client wants whatever there is.
    private(set) var isWildcard = false
    /// Whether it has given names on this stream; before that, none means all (xDS, the legacy wildcard).
    private var hasNamed = false
    /// What the client holds or is being sent, of what it wants.
    private var sent: [ResourceName: ResourceVersion] = [:]
    private var covered = SetVersion()
    /// What the client was told doesn't exist.
    private var toldMissing: Set<ResourceName> = []
    /// Names of which the client can't hold anything yet.
    private var fresh: Set<ResourceName> = []
    private let hasVacancy: Bool
    /// The names to look at in `next`: wanted ones whose content may differ from what was sent.
    private var pending: Set<ResourceName> = []
    /// Whether all names have to be looked at.
    private var isSweepPending = false
    /// Whether an answer is due even if it has nothing new in it: a client that wants everything waits for it.
    private var isAnswerDue = false
    /// Sent whether or not the client has them, once it wants them: see `owe`.
    private var owed: Set<ResourceName> = []
    private var last: SotWResponse?
    private var hasAnswered = false
    private var acknowledged: ResourceVersion?
    private var rejection: Rejection?
    /// The version that the client brought from an earlier stream, until it is compared with what there is.
    private var claimed: ResourceVersion?
    /// Of the names of the last request; nil where `wanted` may be something else.
    private var digest: UInt64?
    private let client: ClientDialect
    private let isWhole: Bool

    /// - Parameters:
    ///   - isWhole: whether responses carry everything that the client wants.
    ///   - hasVacancy: whether a resource that doesn't exist can be told by an empty one.
    ///   - client: who asks.
    public init(isWhole: Bool = false, hasVacancy: Bool = false, client: ClientDialect) {
        self.isWhole = isWhole
        self.client = client
        self.hasVacancy = hasVacancy && client == .envoy
    }

    /// How many names the client wants.
    public var nameCount: Int { wanted.count }

    /// The memory that they take, in bytes; about.
    private var nameBytes = 0
    /// The memory that the client has this keep, in bytes; about.
    var memoryBytes: Int { nameBytes + (rejection?.message.utf8.count ?? 0) }

    /// Whether `next` has to look for something to send.
    var isPending: Bool { !pending.isEmpty || isSweepPending }

    /// Takes an ACK of the latest response that repeats the names.
    ///
    /// - Returns: false where it has to be taken in as a whole request.
    mutating func take(_ acknowledgement: Acknowledgement) -> Bool {
        guard let last, last.nonce == acknowledgement.nonce, let digest, digest == acknowledgement.names else {
            return false
        }
        hasAnswered = true
        acknowledged = last.version
        rejection = nil
        return true
    }

    /// Takes one request in.
    public mutating func receive(_ request: SotWRequest) {
        digest = nil
        let names = Set(request.names)
        guard let last else {
            // Nothing was sent yet, so there is nothing to answer: a nonce is one of an earlier stream.
            if wanted.isEmpty, !isWildcard, client == .envoy { claimed = ResourceVersion(request.version) }
            digest = request.digest
            return subscribe(to: names, isFresh: request.version.isEmpty)
        }
        if request.nonce.isEmpty {
            // Either it hasn't read our first response yet, or it starts over and has forgotten everything.
            if hasAnswered { forget() }
            return subscribe(to: names, isFresh: request.version.isEmpty)
        }
        // xDS, "ACK, NACK, and resource type instance version": a request with a stale nonce is not answered; the
        // client says what it wants again in its answer to the latest response. But what it drops it has forgotten
        // by then, even if it asks again.
        guard request.nonce == last.nonce.description else {
            if !isWildcard { drop(wanted.subtracting(names)) }
            return
        }
        hasAnswered = true
        if let message = request.rejection {
            rejection = Rejection(version: last.version, message: message)
        } else {
            acknowledged = last.version
            rejection = nil
        }
        digest = request.digest
        subscribe(to: names, isFresh: true)
    }

    /// Notes that content changed, appeared or went.
    public mutating func publish(_ changes: Set<ResourceName>) {
        if isWildcard {
            pending.formUnion(changes)
        } else if wanted.count < changes.count {
            for name in wanted where changes.contains(name) { pending.insert(name) }
        } else {
            for name in changes where wanted.contains(name) { pending.insert(name) }
        }
    }

    /// Notes that any content may have changed.
    public mutating func publishAll() { isSweepPending = true }

    /// Notes that these are to be sent even if the client has them: what they belong to was sent.
    ///
    /// They are sent as soon as the client wants them.
    mutating func owe(_ names: some Sequence<ResourceName>) {
        owed.formUnion(names)
        pending.formUnion(owed.intersection(wanted))
    }

    /// What to send now, if anything; the caller sends it.
    public mutating func next(in index: some VersionIndex, nonce: Nonce) -> SotWResponse? {
        guard isPending else { return nil }
        if isSweepPending { pending = isWildcard ? wanted.union(sent.keys).union(index.names) : wanted }
        isSweepPending = false
        if let claimed { resume(from: claimed, in: index) }
        var changed: [VersionedName] = []
        var missing: [ResourceName] = []
        var vacant: [ResourceName] = []
        var hasRemovals = false
        for name in pending.sorted() {
            if owed.contains(name), wanted.contains(name), index.version(of: name) != nil {
                owed.remove(name)
                setSent(name, to: nil)
            }
            let version = index.version(of: name)
            if let version, sent[name] != version { changed.append(VersionedName(name: name, version: version)) }
            // A resource goes by absence only where responses are whole; a name that doesn't exist is pending again once
            // it does.
            if version == nil, sent[name] != nil { hasRemovals = true }
            setSent(name, to: version)
            if version != nil {
                toldMissing.remove(name)
            } else if wanted.contains(name), toldMissing.insert(name).inserted {
                missing.append(name)
                if fresh.contains(name) { vacant.append(name) }
            }
            fresh.remove(name)
        }
        pending.removeAll()
        defer { isAnswerDue = false }
        guard !changed.isEmpty || !missing.isEmpty || isWhole && (hasRemovals || isAnswerDue) else { return nil }
        let resources =
            isWhole ? sent.map { VersionedName(name: $0, version: $1) }.sorted { $0.name < $1.name } : changed
        let response = SotWResponse(
            resources: resources, changed: changed.map(\.name), missing: missing, vacant: vacant,
            version: covered.version,
            nonce: nonce)
        last = response
        return response
    }

    /// For whoever wants to look at it.
    ///
    /// - Parameter limit: how many resources are listed; the rest is only counted.
    public func status(listing limit: Int = .max) -> SubscriptionStatus {
        let isAcknowledged = last == nil ? acknowledged != nil : acknowledged == last?.version
        let names = sent.isEmpty ? wanted : wanted.union(sent.keys)
        return SubscriptionStatus(
            resources: names.smallest(limit).map { name in
                SubscribedResource(name: name, sent: sent[name], acknowledged: isAcknowledged ? sent[name] : nil)
            },
            count: names.count,
            sent: last?.version ?? acknowledged, acknowledged: acknowledged, rejection: rejection
        )
    }

    /// Replaces what the client wants.
    ///
    /// A name that was dropped and comes back is sent again: the client has forgotten it.
    private mutating func subscribe(to all: Set<ResourceName>, isFresh: Bool) {
        let names = isWhole ? all.subtracting([.wildcard]) : all
        let wantsAll = isWhole && (all.contains(.wildcard) || all.isEmpty && !hasNamed)
        hasNamed = hasNamed || !all.isEmpty
        guard names != wanted || wantsAll != isWildcard else { return }

        let added = names.subtracting(wanted)
        isAnswerDue = isAnswerDue || !added.isEmpty || wantsAll && !isWildcard
        isSweepPending = isSweepPending || wantsAll != isWildcard
        isWildcard = wantsAll
        // What everything covers stays with the client, whether it names it or not.
        if !isWildcard { drop(wanted.union(sent.keys).subtracting(names)) }
        pending.formUnion(added)
        if hasVacancy, isFresh { fresh.formUnion(added) }
        wanted = names
        nameBytes = names.reduce(0) { $0 + $1.memoryBytes }
    }

    private mutating func drop(_ names: Set<ResourceName>) {
        for name in names {
            setSent(name, to: nil)
            pending.remove(name)
        }
        toldMissing.subtract(names)
        fresh.subtract(names)
        for name in names where wanted.remove(name) != nil { nameBytes -= name.memoryBytes }
    }

    private mutating func forget() {
        drop(wanted.union(sent.keys))
        isWildcard = false
        hasNamed = false
    }

    /// Where the version that the client brings covers exactly what it wants, as it is now, it has everything.
    private mutating func resume(from claimed: ResourceVersion, in index: some VersionIndex) {
        self.claimed = nil
        var present = SetVersion()
        let resources = wanted.union(isWildcard ? index.names : []).compactMap { name in
            index.version(of: name).map { VersionedName(name: name, version: $0) }
        }
        for resource in resources { present.insert(resource.version) }
        guard !resources.isEmpty || isWhole, claimed == present.version else { return }
        for resource in resources { setSent(resource.name, to: resource.version) }
        pending = pending.intersection(owed)
        isAnswerDue = false
        acknowledged = claimed
    }

    private mutating func setSent(_ name: ResourceName, to version: ResourceVersion?) {
        let previous = sent[name]
        guard previous != version else { return }
        if let previous { covered.remove(previous) }
        if let version { covered.insert(version) }
        sent[name] = version
    }
}
