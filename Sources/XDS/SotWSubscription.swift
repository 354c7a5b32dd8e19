/// The subscription of one type on one stream, in state-of-the-world form.
///
/// `receive` and `publish` only note which names are due. `next` makes the response, at the moment when the stream can
/// send it. So a slow client has one response to come, never a queue.
///
///     first request ──> due ──next──> sent ──ACK──> acknowledged
///                        ^             │
///                        └── changes ──┴──NACK──> rejected: nothing is sent until a resource changes
///
/// A response carries the resources that changed. For types where the protocol wants it (`isWhole`), it carries all
/// resources that the client wants.
public struct SotWSubscription: Sendable {
    /// A response that was sent.
    private struct Sent {
        let nonce: Nonce
        let version: ResourceVersion
    }

    private enum Phase {
        /// No response was sent.
        ///
        /// `claimed` is the version that the client brought from an earlier stream, until `next` compares it.
        case initial(claimed: ResourceVersion?)
        /// The client has answered no response of this stream; this is the last one.
        case unanswered(Sent)
        /// The client has answered a response of this stream; this is the last one.
        case answered(Sent)

        var last: Sent? {
            switch self {
            case .initial: nil
            case .unanswered(let sent), .answered(let sent): sent
            }
        }
    }

    private let client: ClientDialect
    private let isWhole: Bool
    private let hasVacancy: Bool
    private var phase = Phase.initial(claimed: nil)
    /// The names of the last request.
    private var wanted: Set<ResourceName> = []
    /// The memory that they take, in bytes, about.
    private var nameBytes = 0
    /// A hash of the last request's names; nil if `wanted` may be different.
    private var digest: UInt64?
    /// Whether the client wants all resources of the type.
    private(set) var isWildcard = false
    /// Whether the client has given names on this stream; before that, none means all (xDS, the legacy wildcard).
    private var hasNamed = false
    private var sent = SentVersions()
    private var due = DueNames()
    /// Whether a response is due even if no resource changed: a client that wants more names waits for it.
    private var isResponseDue = false
    /// Wanted names of which the client knows that they don't exist.
    private var missing: Set<ResourceName> = []
    /// Names of which the client can't hold anything yet.
    private var fresh: Set<ResourceName> = []
    private var answers = ClientAnswers()

    /// - Parameters:
    ///   - isWhole: whether responses carry all resources that the client wants.
    ///   - hasVacancy: whether an empty resource can stand for one that doesn't exist.
    ///   - client: the client's dialect.
    public init(isWhole: Bool = false, hasVacancy: Bool = false, client: ClientDialect) {
        self.isWhole = isWhole
        self.client = client
        self.hasVacancy = hasVacancy && client == .envoy
    }

    /// How many names the client wants.
    public var nameCount: Int { wanted.count }

    /// The memory that the client makes this keep, in bytes, about.
    var memoryBytes: Int { nameBytes + answers.memoryBytes }

    /// Whether `next` has names to look at.
    var isPending: Bool { !due.isEmpty }

    /// Notes an ACK of the latest response that repeats the names.
    ///
    /// - Returns: false if the whole request has to be received.
    mutating func acknowledge(_ acknowledgement: Acknowledgement) -> Bool {
        guard let last = phase.last, last.nonce == acknowledgement.nonce, let digest, digest == acknowledgement.names
        else { return false }
        phase = .answered(last)
        answers.accept(last.version)
        return true
    }

    /// Notes what one request asks for and answers.
    public mutating func receive(_ request: SotWRequest) {
        digest = nil
        let names = Set(request.names)
        switch phase {
        case .initial:
            // A nonce in a stream's first request is an earlier stream's.
            if wanted.isEmpty, !isWildcard, client == .envoy {
                phase = .initial(claimed: ResourceVersion(request.version))
            }
            digest = request.digest
            subscribe(to: names, isFresh: request.version.isEmpty)
        case .unanswered where request.nonce.isEmpty:
            // The client has not read the first response yet.
            subscribe(to: names, isFresh: request.version.isEmpty)
        case .answered where request.nonce.isEmpty:
            // The client starts over and has forgotten everything.
            forget()
            subscribe(to: names, isFresh: request.version.isEmpty)
        case .unanswered(let last), .answered(let last):
            // xDS, "ACK, NACK, and resource type instance version": a request with a stale nonce is not answered. The
            // client repeats what it wants in its answer to the latest response. But by then it has forgotten the
            // names that this request drops, even if it asks for them again.
            guard request.nonce == last.nonce.description else {
                if !isWildcard { drop(wanted.subtracting(names)) }
                return
            }
            phase = .answered(last)
            answers.note(last.version, rejection: request.rejection)
            digest = request.digest
            subscribe(to: names, isFresh: true)
        }
    }

    /// Notes that resources changed, appeared or went.
    public mutating func publish(_ changes: Set<ResourceName>) {
        if isWildcard { due.insert(changes) } else { due.insert(changes, of: wanted) }
    }

    /// Notes that any resource may have changed.
    public mutating func publishAll() { due.insertAll() }

    /// Has resources sent even if the client has them, as soon as the client wants them.
    mutating func resend(_ names: some Sequence<ResourceName>) { due.resend(names, of: wanted) }

    /// The response to send now, if one is due.
    public mutating func next(in index: some VersionIndex, nonce: Nonce) -> SotWResponse? {
        guard isPending else { return nil }
        due.resolveSweep { isWildcard ? wanted.union(sent.byName.keys).union(index.names) : wanted }
        if case .initial(let claimed?) = phase {
            phase = .initial(claimed: nil)
            resume(from: claimed, in: index)
        }
        var changed: [VersionedName] = []
        var newlyMissing: [ResourceName] = []
        var vacant: [ResourceName] = []
        var hasRemovals = false
        for name in due.removeAll() {
            let version = index.version(of: name)
            if let version {
                let isResent = wanted.contains(name) && due.removeResent(name)
                if isResent || sent[name] != version { changed.append(VersionedName(name: name, version: version)) }
                missing.remove(name)
            } else {
                // Only whole SotW responses can report a removal.
                if sent[name] != nil { hasRemovals = true }
                if wanted.contains(name), missing.insert(name).inserted {
                    newlyMissing.append(name)
                    if fresh.contains(name) { vacant.append(name) }
                }
            }
            sent[name] = version
            fresh.remove(name)
        }
        defer { isResponseDue = false }
        guard !changed.isEmpty || !newlyMissing.isEmpty || isWhole && (hasRemovals || isResponseDue) else { return nil }
        let resources =
            isWhole
            ? sent.byName.map { VersionedName(name: $0, version: $1) }.sorted { $0.name < $1.name } : changed
        let response = SotWResponse(
            resources: resources, changed: changed.map(\.name), missing: newlyMissing, vacant: vacant,
            version: sent.version, nonce: nonce)
        let last = Sent(nonce: nonce, version: response.version)
        if case .answered = phase { phase = .answered(last) } else { phase = .unanswered(last) }
        return response
    }

    /// The status of the subscription.
    ///
    /// - Parameter limit: how many resources are listed; the rest is only counted.
    public func status(listing limit: Int = .max) -> SubscriptionStatus {
        let acknowledged = answers.acknowledged
        let isAcknowledged = acknowledged != nil && acknowledged == phase.last?.version ?? acknowledged
        let names = sent.byName.isEmpty ? wanted : wanted.union(sent.byName.keys)
        return SubscriptionStatus(
            resources: names.smallest(limit).map { name in
                SubscribedResource(name: name, sent: sent[name], acknowledged: isAcknowledged ? sent[name] : nil)
            },
            count: names.count,
            sent: phase.last?.version ?? acknowledged, acknowledged: acknowledged, rejection: answers.rejection
        )
    }

    /// The client's state of one resource; nil if it doesn't subscribe to it.
    func resource(_ name: ResourceName) -> SubscribedResource? {
        guard wanted.contains(name) || sent[name] != nil else { return nil }
        let acknowledged = answers.acknowledged
        let isAcknowledged = acknowledged != nil && acknowledged == phase.last?.version ?? acknowledged
        return SubscribedResource(name: name, sent: sent[name], acknowledged: isAcknowledged ? sent[name] : nil)
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
        isResponseDue = isResponseDue || !added.isEmpty || wantsAll && !isWildcard
        if wantsAll != isWildcard { due.insertAll() }
        isWildcard = wantsAll
        // A client that wants all resources keeps those that it no longer names.
        if !isWildcard { drop(wanted.union(sent.byName.keys).subtracting(names)) }
        due.insert(added)
        if hasVacancy, isFresh { fresh.formUnion(added) }
        wanted = names
        nameBytes = names.reduce(0) { $0 + $1.memoryBytes }
    }

    private mutating func drop(_ names: Set<ResourceName>) {
        for name in names {
            sent[name] = nil
            due.remove(name)
        }
        missing.subtract(names)
        fresh.subtract(names)
        for name in names where wanted.remove(name) != nil { nameBytes -= name.memoryBytes }
    }

    private mutating func forget() {
        drop(wanted.union(sent.byName.keys))
        isWildcard = false
        hasNamed = false
    }

    /// If the client's version is that of all resources that it wants now, the client has them.
    private mutating func resume(from claimed: ResourceVersion, in index: some VersionIndex) {
        var present = SentVersions()
        for name in wanted.union(isWildcard ? index.names : []) { present[name] = index.version(of: name) }
        guard !present.byName.isEmpty || isWhole, claimed == present.version else { return }
        sent = present
        due.keepResent()
        isResponseDue = false
        answers.accept(claimed)
    }
}
