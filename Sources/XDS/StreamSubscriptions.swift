/// What one stream wants and has, of every type on it.
///
/// There is one kind of stream: an aggregated one (ADS). A stream of one service is the same, restricted to one type.
///
/// A cluster's endpoints have the cluster's name. They are sent after it, even if they are the same as before: an Envoy
/// whose cluster changed takes it into use only when it has heard of its endpoints again, and doesn't ask for them. So
/// it is with a listener and its routes. Nothing waits for an ACK: Envoy gives a cluster's after its endpoints came.
public struct StreamSubscriptions: Sendable {
    /// What a stream may want, so that no client can fill the server's memory.
    public struct Limits: Hashable, Sendable {
        /// Names, of all types together.
        public var names: Int
        /// Types.
        public var types: Int
        /// The longest type URL, in bytes.
        public var typeBytes: Int

        /// Limits.
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

    /// SotW or delta; the method that was called decides.
    public let variant: Variant
    private let onlyType: TypeURL?
    private let limits: Limits
    /// In the order in which they are served.
    ///
    /// A stream has few types.
    private var entries: [Entry] = []
    private var nonce = Nonce.none

    /// Of the last response.
    public var lastNonce: Nonce { nonce }
    /// By type, what belongs to resources that were sent before the client first asked for this type.
    private var resent: [TypeURL: Set<ResourceName>] = [:]

    /// The order in which types are served.
    public var order = ServingOrder.listenersAfterEndpoints {
        didSet {
            guard order != oldValue else { return }
            entries.sort { order.place(of: $0.type) < order.place(of: $1.type) }
        }
    }

    /// A stream of one type, or an aggregated one where `type` is nil.
    public init(variant: Variant, type: TypeURL?, limits: Limits) {
        self.variant = variant
        self.onlyType = type
        self.limits = limits
    }

    /// Takes one request in.
    ///
    /// - Throws: where the stream has to end.
    public mutating func receive(_ request: DiscoveryRequest, type url: String, from client: ClientDialect)
        throws(ProtocolViolation)
    {
        guard url.utf8.count <= limits.typeBytes else { throw .longType(limit: limits.typeBytes) }
        // A stream of one service may leave the type out.
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

    /// Takes an ACK that asks for nothing else.
    ///
    /// - Returns: false where it has to be taken in as a whole request.
    public mutating func acknowledge(_ acknowledgement: Acknowledgement) -> Bool {
        guard let type = acknowledgement.type ?? onlyType, onlyType == nil || onlyType == type,
            let index = entries.firstIndex(where: { $0.type == type })
        else { return false }
        return entries[index].subscription.acknowledge(acknowledgement)
    }

    /// Notes that content of one type changed, appeared or went.
    public mutating func publish(_ type: TypeURL, _ changes: ChangedNames) {
        for index in entries.indices where entries[index].type == type { entries[index].subscription.publish(changes) }
    }

    /// Notes that any content may have changed.
    public mutating func publishAll() {
        for index in entries.indices { entries[index].subscription.publishAll() }
    }

    /// Whether the client wants whatever there is of a type.
    public func wantsAll(_ type: TypeURL) -> Bool { entries.contains { $0.type == type && $0.subscription.isWildcard } }

    /// Whether the client has asked for anything of a type.
    public func wants(_ type: TypeURL) -> Bool { entries.contains { $0.type == type && $0.subscription.nameCount > 0 } }

    /// Whether the client has asked for nothing.
    public var isIdle: Bool { entries.isEmpty }

    /// Whether `next` has to look for something to send.
    public var hasNews: Bool { entries.contains { $0.subscription.isPending } }

    /// The next response to send, if there is one; the caller sends it.
    public mutating func next<Index: VersionIndex>(
        in content: (TypeURL) -> Index
    ) -> (type: TypeURL, response: DiscoveryResponse)? {
        for index in entries.indices {
            let type = entries[index].type
            if let response = entries[index].subscription.next(in: content(type), nonce: nonce.next) {
                nonce = nonce.next
                if let child = type.child { resend(child, response.changed, in: content(child)) }
                if case .delta(let response) = response, type == .clusterLoadAssignment {
                    // Whoever takes endpoints into use anew takes their collections anew.
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

    /// Has what belongs to changed resources sent, again or for the first time.
    private mutating func resend(_ type: TypeURL, _ names: [ResourceName], in content: some VersionIndex) {
        let names = names.filter { content.version(of: $0) != nil }
        if let index = entries.firstIndex(where: { $0.type == type }) {
            entries[index].subscription.resend(names)
        } else if onlyType == nil {
            resent[type, default: []].formUnion(names)
        }
    }

    /// The memory that the client has this stream keep, in bytes, about: the names that it wants, of all types, and the
    /// reasons of its rejections.
    public var memoryBytes: Int { entries.reduce(0) { $0 + $1.subscription.memoryBytes } }

    /// Set while the client's last answer about a type was a NACK.
    public func rejection(of type: TypeURL) -> Rejection? {
        entries.first { $0.type == type }?.subscription.status(listing: 0)?.rejection
    }

    /// Every type's subscription, in the order in which they are served.
    ///
    /// - Parameter limit: how many resources of each type are listed; the rest is only counted.
    public func status(listing limit: Int = .max) -> [(type: TypeURL, subscription: SubscriptionStatus)] {
        entries.compactMap { entry in entry.subscription.status(listing: limit).map { (entry.type, $0) } }
    }
}
