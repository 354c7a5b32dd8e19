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

    /// A request.
    public init(names: [ResourceName], version: String = "", nonce: String = "", rejection: String? = nil) {
        self.names = names
        self.version = version
        self.nonce = nonce
        self.rejection = rejection
    }
}

/// A state-of-the-world response of one type, without its bytes.
public struct SotWResponse: Hashable, Sendable {
    /// What to send, each with the version to send.
    public var resources: [VersionedName]
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
/// For types whose responses may carry any part of the subscription, as EDS's may. `receive` and `publish` only note
/// what may have to be sent; `next` says what, at the moment when the stream can take it. So a slow client owes one
/// response, never a queue.
///
///     first request ──> names wanted ──next──> sent ──ACK──> acknowledged
///                           ^                   │
///                           └─ content changes ─┴──NACK──> rejected: silent until the content changes
public struct SotWSubscription: Sendable {
    private var wanted: Set<ResourceName> = []
    /// What the client holds or is being sent, of the names that it wants.
    private var sent: [ResourceName: ResourceVersion] = [:]
    private var covered = SetVersion()
    /// The names to look at in `next`: wanted ones whose content may differ from what was sent.
    private var pending: Set<ResourceName> = []
    private var last: SotWResponse?
    private var hasAnswered = false
    private var acknowledged: ResourceVersion?
    private var rejection: Rejection?
    /// The version that the client brought from an earlier stream, until it is compared with what there is.
    private var claimed: ResourceVersion?
    private let canResume: Bool

    /// - Parameter canResume: whether a version from an earlier stream vouches for what the client still holds.
    ///   gRPC's doesn't: it drops resources that it unsubscribes from, and keeps the version.
    public init(canResume: Bool) { self.canResume = canResume }

    /// How many names the client wants.
    public var nameCount: Int { wanted.count }

    /// Takes one request in.
    public mutating func receive(_ request: SotWRequest) {
        let names = Set(request.names)
        guard let last else {
            // Nothing was sent yet, so there is nothing to answer: a nonce is one of an earlier stream.
            if wanted.isEmpty, canResume { claimed = ResourceVersion(request.version) }
            return subscribe(to: names)
        }
        if request.nonce.isEmpty {
            // Either it hasn't read our first response yet, or it starts over and has forgotten everything.
            if hasAnswered { drop(wanted) }
            return subscribe(to: names)
        }
        // xDS, "ACK, NACK, and resource type instance version": a request with a stale nonce is not answered; the
        // client says what it wants again in its answer to the latest response. But what it drops it has forgotten
        // by then, even if it asks again.
        guard request.nonce == last.nonce.description else { return drop(wanted.subtracting(names)) }
        hasAnswered = true
        if let message = request.rejection {
            rejection = Rejection(version: last.version, message: message)
        } else {
            acknowledged = last.version
            rejection = nil
        }
        subscribe(to: names)
    }

    /// Notes that content changed, appeared or went.
    public mutating func publish(_ changes: some Sequence<ResourceName>) {
        for name in changes where wanted.contains(name) { pending.insert(name) }
    }

    /// Notes that any content may have changed.
    public mutating func publishAll() { pending = wanted }

    /// What to send now, if anything; the caller sends it.
    public mutating func next(in index: some VersionIndex, nonce: Nonce) -> SotWResponse? {
        guard !pending.isEmpty else { return nil }
        if let claimed { resume(from: claimed, in: index) }
        var resources: [VersionedName] = []
        for name in pending.sorted() {
            // A name that doesn't exist is left out: SotW can't say so. It is pending again once it exists.
            let version = index.version(of: name)
            if let version, sent[name] != version { resources.append(VersionedName(name: name, version: version)) }
            setSent(name, to: version)
        }
        pending.removeAll()
        guard !resources.isEmpty else { return nil }
        let response = SotWResponse(resources: resources, version: covered.version, nonce: nonce)
        last = response
        return response
    }

    /// For whoever wants to look at it.
    public var status: SubscriptionStatus {
        let isAcknowledged = last == nil ? acknowledged != nil : acknowledged == last?.version
        return SubscriptionStatus(
            resources: wanted.sorted().map { name in
                SubscribedResource(name: name, sent: sent[name], acknowledged: isAcknowledged ? sent[name] : nil)
            },
            sent: last?.version ?? acknowledged, acknowledged: acknowledged, rejection: rejection
        )
    }

    /// Replaces the set of names.
    ///
    /// A name that was dropped and comes back is sent again: the client has forgotten it.
    private mutating func subscribe(to names: Set<ResourceName>) {
        guard names != wanted else { return }
        drop(wanted.subtracting(names))
        pending.formUnion(names.subtracting(wanted))
        wanted = names
    }

    private mutating func drop(_ names: Set<ResourceName>) {
        for name in names {
            setSent(name, to: nil)
            pending.remove(name)
        }
        wanted.subtract(names)
    }

    /// Where the version that the client brings covers exactly what it wants, as it is now, it has everything.
    private mutating func resume(from claimed: ResourceVersion, in index: some VersionIndex) {
        self.claimed = nil
        var present = SetVersion()
        let resources = wanted.compactMap { name in
            index.version(of: name).map { VersionedName(name: name, version: $0) }
        }
        for resource in resources { present.insert(resource.version) }
        guard !resources.isEmpty, claimed == present.version else { return }
        for resource in resources { setSent(resource.name, to: resource.version) }
        pending.removeAll()
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
