/// The subscriptions of one stream, by type.
///
/// An aggregated stream (ADS) has all types. The stream of one service is the same, restricted to one type.
///
/// An Envoy cluster's endpoints have its name, and are sent after it even if they have not changed: Envoy warms a changed
/// Envoy cluster until its endpoints are sent again, but doesn't request them. The same holds for a listener and its
/// routes. Nothing waits for an ACK: Envoy sends an Envoy cluster's ACK after its endpoints came.
public struct StreamSubscriptions: Sendable {
    /// Limits on a stream's subscriptions, which protect the server's memory.
    public struct Limits: Hashable, Sendable {
        /// The maximum number of names, of all types together.
        public var names: Int
        /// The maximum number of types.
        public var types: Int
        /// The maximum length of a type URL, in bytes.
        public var typeBytes: Int

        /// Creates limits.
        public init(names: Int, types: Int = 32, typeBytes: Int = 256) {
            self.names = names
            self.types = types
            self.typeBytes = typeBytes
        }
    }

    private struct Entry: Sendable {
        let type: TypeURL
        var subscription: Subscription
    }

    /// SotW or delta, by the method that the client called.
    public let variant: Variant
    private let onlyType: TypeURL?
    private let limits: Limits
    /// In serving order; a stream has few types.
    private var entries: [Entry] = []
    private var nonce = Nonce.none

    /// The nonce of the last response.
    public var lastNonce: Nonce { nonce }
    /// By type, resources to send as soon as the client subscribes to the type: their parents were sent before.
    private var resent: [TypeURL: Set<ResourceName>] = [:]

    /// The order in which types are served.
    public var order = ServingOrder.listenersAfterEndpoints {
        didSet {
            guard order != oldValue else { return }
            entries.sort { order.place(of: $0.type) < order.place(of: $1.type) }
        }
    }

    /// A stream of one type, or an aggregated one if `type` is nil.
    public init(variant: Variant, type: TypeURL?, limits: Limits) {
        self.variant = variant
        self.onlyType = type
        self.limits = limits
    }

    /// Notes what one request asks for and answers.
    ///
    /// - Throws: if the stream has to end.
    public mutating func receive(_ request: DiscoveryRequest, type url: String, from client: ClientDialect)
        throws(ProtocolViolation)
    {
        guard url.utf8.count <= limits.typeBytes else { throw .longType(limit: limits.typeBytes) }
        // The stream of one service may leave the type out.
        let type = url.isEmpty ? onlyType : TypeURL(rawValue: url)
        guard let type, onlyType == nil || onlyType == type else { throw .wrongType(url) }
        let index: Int
        if let known = entries.firstIndex(where: { $0.type == type }) {
            index = known
        } else {
            guard entries.count < limits.types else { throw .tooManyTypes(limit: limits.types) }
            index = entries.firstIndex { order.place(of: $0.type) > order.place(of: type) } ?? entries.count
            var subscription = Subscription(variant, to: type, client: client)
            if let names = resent.removeValue(forKey: type) { subscription.resend(names.sorted()) }
            entries.insert(Entry(type: type, subscription: subscription), at: index)
        }
        entries[index].subscription.receive(request)
        guard entries.reduce(0, { $0 + $1.subscription.nameCount }) <= limits.names else {
            throw .tooManyNames(limit: limits.names)
        }
    }

    /// Notes an ACK that changes nothing else.
    ///
    /// - Returns: false if `receive` is needed.
    public mutating func acknowledge(_ acknowledgement: Acknowledgement) -> Bool {
        guard let type = acknowledgement.type ?? onlyType, onlyType == nil || onlyType == type,
            let index = entries.firstIndex(where: { $0.type == type })
        else { return false }
        return entries[index].subscription.acknowledge(acknowledgement)
    }

    /// Notes that resources of one type changed, appeared or went.
    public mutating func publish(_ type: TypeURL, _ changes: ChangedNames) {
        for index in entries.indices where entries[index].type == type { entries[index].subscription.publish(changes) }
    }

    /// Notes that any resource may have changed.
    public mutating func publishAll() {
        for index in entries.indices { entries[index].subscription.publishAll() }
    }

    /// Whether the client uses the wildcard for a type.
    public func wantsAll(_ type: TypeURL) -> Bool { entries.contains { $0.type == type && $0.subscription.isWildcard } }

    /// Whether the client subscribes to any resource of a type.
    public func wants(_ type: TypeURL) -> Bool { entries.contains { $0.type == type && $0.subscription.nameCount > 0 } }

    /// Whether the client has no subscription.
    public var isIdle: Bool { entries.isEmpty }

    /// Whether `next` has names to look at.
    public var hasNews: Bool { entries.contains { $0.subscription.isPending } }

    /// The next response to send, if one is due; the caller sends it.
    public mutating func next<Index: VersionIndex>(
        in content: (TypeURL) -> Index
    ) -> (type: TypeURL, response: DiscoveryResponse)? {
        for index in entries.indices {
            let type = entries[index].type
            if let response = entries[index].subscription.next(in: content(type), nonce: nonce.next) {
                nonce = nonce.next
                if let child = type.child { resend(child, response.changed, in: content(child)) }
                if case .delta(let response) = response, type == .clusterLoadAssignment {
                    // New endpoints need their collections again.
                    let collections = response.renewed.flatMap(content(type).collections)
                    for index in entries.indices where entries[index].type == .endpoint {
                        entries[index].subscription.resendCollections(collections)
                    }
                }
                return (type, response)
            }
        }
        return nil
    }

    /// Has the children of changed resources sent, even if they have not changed.
    private mutating func resend(_ type: TypeURL, _ names: [ResourceName], in content: some VersionIndex) {
        let names = names.filter { content.version(of: $0) != nil }
        if let index = entries.firstIndex(where: { $0.type == type }) {
            entries[index].subscription.resend(names)
        } else if onlyType == nil {
            resent[type, default: []].formUnion(names)
        }
    }

    /// The approximate memory of the stream's subscriptions, in bytes: the names of all types, and the messages of NACKs.
    public var memoryBytes: Int { entries.reduce(0) { $0 + $1.subscription.memoryBytes } }

    /// The client's last answer about a type, if it was a NACK.
    public func rejection(of type: TypeURL) -> Rejection? {
        entries.first { $0.type == type }?.subscription.status(listing: 0)?.rejection
    }

    /// The client's state of one resource; nil if it doesn't subscribe to it.
    public func resource(_ name: ResourceName, of type: TypeURL) -> SubscribedResource? {
        entries.first { $0.type == type }?.subscription.resource(name)
    }

    /// The first type whose last answer was a NACK, with that answer.
    public var firstRejection: (type: TypeURL, rejection: Rejection)? {
        for entry in entries {
            if let rejection = rejection(of: entry.type) { return (entry.type, rejection) }
        }
        return nil
    }

    /// The status of each subscription, in serving order.
    ///
    /// - Parameter limit: the maximum number of resources listed for each type; the others are only counted.
    public func status(listing limit: Int = .max) -> [(type: TypeURL, subscription: SubscriptionStatus)] {
        entries.compactMap { entry in entry.subscription.status(listing: limit).map { (entry.type, $0) } }
    }
}
