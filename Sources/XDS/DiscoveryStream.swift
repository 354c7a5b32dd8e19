/// Why a stream has to end: the client broke a rule or a limit.
public enum ProtocolViolation: Error, Hashable, Sendable {
    /// A request for one type on a stream of another, or none on an aggregated one.
    case wrongType(String)
    /// More names, of all types together, than a stream may want.
    case tooManyNames(limit: Int)
    /// More types than a stream may want.
    case tooManyTypes(limit: Int)
}

/// How a stream's responses say what there is.
public enum Variant: String, Hashable, Sendable {
    /// State of the world.
    case sotw
    /// Incremental.
    case delta
}

/// A request, in the stream's variant.
public enum DiscoveryRequest: Hashable, Sendable {
    /// State of the world.
    case sotw(SotWRequest)
    /// Incremental.
    case delta(DeltaRequest)
}

/// A response, in the stream's variant.
public enum DiscoveryResponse: Hashable, Sendable {
    /// State of the world.
    case sotw(SotWResponse)
    /// Incremental.
    case delta(DeltaResponse)

    /// The names of the resources that the client doesn't have so yet.
    var changed: [ResourceName] {
        switch self {
        case .sotw(let response): response.changed
        case .delta(let response): response.resources.map(\.name)
        }
    }
}

/// What one stream wants and has, of every type on it.
///
/// There is one kind of stream: an aggregated one (ADS). A stream of one service is the same, restricted to one type.
///
/// A cluster's endpoints have the cluster's name. They are sent after it, even if they are the same as before: an Envoy
/// whose cluster changed takes it into use only when it has heard of its endpoints again, and doesn't ask for them.
public struct DiscoveryStream: Sendable {
    /// What a stream may want, so that no client can fill the server's memory.
    public struct Limits: Hashable, Sendable {
        /// Names, of all types together.
        public var names: Int
        /// Types.
        public var types: Int

        /// Limits.
        public init(names: Int, types: Int = 32) {
            self.names = names
            self.types = types
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
    /// Clusters that were sent before the client first asked for endpoints.
    private var sentClusters: Set<ResourceName> = []

    /// A stream of one type, or an aggregated one where `type` is nil.
    public init(variant: Variant, type: TypeURL?, limits: Limits) {
        self.variant = variant
        self.onlyType = type
        self.limits = limits
    }

    /// Takes one request in.
    ///
    /// `canResume`: see `SotWSubscription`.
    ///
    /// - Throws: where the stream has to end.
    public mutating func receive(_ request: DiscoveryRequest, type url: String, canResume: Bool)
        throws(ProtocolViolation)
    {
        // A stream of one service may leave the type out.
        let type = url.isEmpty ? onlyType : TypeURL(rawValue: url)
        guard let type, onlyType == nil || onlyType == type else { throw .wrongType(url) }
        let index: Int
        if let known = entries.firstIndex(where: { $0.type == type }) {
            index = known
        } else {
            guard entries.count < limits.types else { throw .tooManyTypes(limit: limits.types) }
            index = entries.firstIndex { $0.type.servingOrder > type.servingOrder } ?? entries.count
            var subscription = Subscription(variant, to: type, canResume: canResume)
            if type == .clusterLoadAssignment { subscription.owe(sentClusters.sorted()) }
            entries.insert(Entry(type: type, subscription: subscription), at: index)
        }
        entries[index].subscription.receive(request)
        guard entries.reduce(0, { $0 + $1.subscription.nameCount }) <= limits.names else {
            throw .tooManyNames(limit: limits.names)
        }
    }

    /// Notes that content of one type changed, appeared or went.
    public mutating func publish(_ type: TypeURL, _ changes: some Sequence<ResourceName>) {
        for index in entries.indices where entries[index].type == type { entries[index].subscription.publish(changes) }
    }

    /// Notes that any content may have changed.
    public mutating func publishAll() {
        for index in entries.indices { entries[index].subscription.publishAll() }
    }

    /// The next response to send, if there is one; the caller sends it.
    public mutating func next<Index: VersionIndex>(
        in content: (TypeURL) -> Index
    ) -> (type: TypeURL, response: DiscoveryResponse)? {
        for index in entries.indices {
            let type = entries[index].type
            if let response = entries[index].subscription.next(in: content(type), nonce: nonce.next) {
                nonce = nonce.next
                if type == .cluster { noteSent(response.changed, endpoints: content(.clusterLoadAssignment)) }
                return (type, response)
            }
        }
        return nil
    }

    /// Has the endpoints of these clusters sent, again or for the first time.
    private mutating func noteSent(_ clusters: [ResourceName], endpoints: some VersionIndex) {
        let clusters = clusters.filter { endpoints.version(of: $0) != nil }
        if let index = entries.firstIndex(where: { $0.type == .clusterLoadAssignment }) {
            entries[index].subscription.owe(clusters)
        } else if onlyType == nil {
            sentClusters.formUnion(clusters)
        }
    }

    /// Every type's subscription, in the order in which they are served.
    public var status: [(type: TypeURL, subscription: SubscriptionStatus)] {
        entries.map { ($0.type, $0.subscription.status) }
    }
}
