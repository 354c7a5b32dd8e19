/// The subscription of one type, in the stream's variant.
enum Subscription: Sendable {
    case sotw(SotWSubscription)
    case delta(DeltaSubscription)

    init(_ variant: Variant, to type: TypeURL, client: ClientKind) {
        switch variant {
        case .sotw:
            self = .sotw(
                SotWSubscription(
                    isWhole: type.isWhole, hasVacancy: type == .clusterLoadAssignment, client: client))
        case .delta: self = .delta(DeltaSubscription(mayBeWildcard: type.isWhole))
        }
    }

    var nameCount: Int {
        switch self {
        case .sotw(let subscription): subscription.nameCount
        case .delta(let subscription): subscription.nameCount
        }
    }

    var isPending: Bool {
        switch self {
        case .sotw(let subscription): subscription.isPending
        case .delta(let subscription): subscription.isPending
        }
    }

    var status: SubscriptionStatus {
        switch self {
        case .sotw(let subscription): subscription.status
        case .delta(let subscription): subscription.status
        }
    }

    // Each takes the value apart and puts it together again, so that its sets are changed in place and not copied.

    mutating func receive(_ request: DiscoveryRequest) {
        switch (consume self, request) {
        case (.sotw(var subscription), .sotw(let request)):
            subscription.receive(request)
            self = .sotw(subscription)
        case (.delta(var subscription), .delta(let request)):
            subscription.receive(request)
            self = .delta(subscription)
        case (.sotw, .delta), (.delta, .sotw):
            preconditionFailure("a stream decodes requests in its own variant")
        }
    }

    mutating func take(_ acknowledgement: Acknowledgement) -> Bool {
        switch consume self {
        case .sotw(var subscription):
            defer { self = .sotw(subscription) }
            return subscription.take(acknowledgement)
        case .delta(var subscription):
            defer { self = .delta(subscription) }
            return subscription.take(acknowledgement)
        }
    }

    mutating func publish(_ changes: Set<ResourceName>) {
        switch consume self {
        case .sotw(var subscription):
            subscription.publish(changes)
            self = .sotw(subscription)
        case .delta(var subscription):
            subscription.publish(changes)
            self = .delta(subscription)
        }
    }

    mutating func publishAll() {
        switch consume self {
        case .sotw(var subscription):
            subscription.publishAll()
            self = .sotw(subscription)
        case .delta(var subscription):
            subscription.publishAll()
            self = .delta(subscription)
        }
    }

    mutating func owe(_ names: [ResourceName]) {
        switch consume self {
        case .sotw(var subscription):
            subscription.owe(names)
            self = .sotw(subscription)
        case .delta(var subscription):
            subscription.owe(names)
            self = .delta(subscription)
        }
    }

    mutating func next(in index: some VersionIndex, nonce: Nonce) -> DiscoveryResponse? {
        switch consume self {
        case .sotw(var subscription):
            defer { self = .sotw(subscription) }
            return subscription.next(in: index, nonce: nonce).map { .sotw($0) }
        case .delta(var subscription):
            defer { self = .delta(subscription) }
            return subscription.next(in: index, nonce: nonce).map { .delta($0) }
        }
    }
}
