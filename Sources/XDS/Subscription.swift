/// The subscription of one type, in the stream's variant.
struct Subscription: Sendable {
    // Exactly one is set. Not an enum, so that it changes in place and is never copied.

    private var sotw: SotWSubscription?
    private var delta: DeltaSubscription?

    init(_ variant: Variant, to type: TypeURL, client: ClientDialect) {
        let type = ResourceType.of(type)
        switch variant {
        case .sotw: sotw = SotWSubscription(isWhole: type.isWhole, hasVacancy: type.hasVacancy, client: client)
        case .delta: delta = DeltaSubscription(mayBeWildcard: type.hasWildcard)
        }
    }

    /// Whether the client uses the wildcard.
    var isWildcard: Bool { sotw?.isWildcard ?? delta?.isWildcard ?? false }

    var nameCount: Int { (sotw?.nameCount ?? 0) + (delta?.nameCount ?? 0) }

    var memoryBytes: Int { sotw?.memoryBytes ?? delta?.memoryBytes ?? 0 }

    /// Whether `next` has names to look at.
    var isPending: Bool { sotw?.isPending ?? delta?.isPending ?? false }

    func status(listing limit: Int) -> SubscriptionStatus? {
        sotw?.status(listing: limit) ?? delta?.status(listing: limit)
    }

    /// The client's state of one resource; nil if it doesn't subscribe to it.
    func resource(_ name: ResourceName) -> SubscribedResource? { sotw?.resource(name) ?? delta?.resource(name) }

    mutating func receive(_ request: DiscoveryRequest) {
        switch request {
        case .sotw(let request): sotw?.receive(request)
        case .delta(let request): delta?.receive(request)
        }
    }

    mutating func acknowledge(_ acknowledgement: Acknowledgement) -> Bool {
        sotw?.acknowledge(acknowledgement) ?? delta?.acknowledge(acknowledgement) ?? false
    }

    mutating func publish(_ changes: ChangedNames) {
        sotw?.publish(changes.names)
        delta?.publish(changes)
    }

    mutating func publishAll() {
        sotw?.publishAll()
        delta?.publishAll()
    }

    mutating func resend(_ names: [ResourceName]) {
        sotw?.resend(names)
        delta?.resend(names)
    }

    mutating func resendCollections(_ names: [ResourceName]) { delta?.resendCollections(names) }

    mutating func next(in index: some VersionIndex, nonce: Nonce) -> DiscoveryResponse? {
        if let response = sotw?.next(in: index, nonce: nonce) { return .sotw(response) }
        return delta?.next(in: index, nonce: nonce).map { .delta($0) }
    }
}
