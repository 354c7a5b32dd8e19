/// The client's half of one type's subscription: what the client wants and holds, and the requests that say so.
///
/// `start` makes a stream's first request, on a first stream and after each reconnect. Each response is answered by the
/// request that `accept` or `reject` makes. The caller sends the requests in the order in which they were made.
public struct ClientSubscription: Hashable, Sendable {
    /// SotW or delta.
    public let variant: Variant
    /// The names that the client wants; none in SotW's first request, or `*`, means all resources.
    public private(set) var names: Set<ResourceName>
    /// Delta: the version of each resource that the client holds.
    public private(set) var held: [ResourceName: String]
    /// SotW: the version of the last response that the client accepted; empty before that.
    public private(set) var version: String
    /// The last response of this stream; empty before the first.
    private var nonce = ""
    /// SotW: names that the client asked for and that no response has brought.
    ///
    /// While there are any, the version doesn't cover the whole subscription.
    private var missing: Set<ResourceName>

    /// A subscription to names, of a client that may hold resources of an earlier stream.
    public init(
        _ variant: Variant, to names: Set<ResourceName> = [], version: String = "",
        held: [ResourceName: String] = [:]
    ) {
        self.variant = variant
        self.names = names
        self.version = version
        self.held = held
        missing = version.isEmpty ? names : []
    }

    /// The first request of a stream.
    public mutating func start() -> DiscoveryRequest {
        nonce = ""
        switch variant {
        case .sotw:
            if !missing.isEmpty { version = "" }
            return .sotw(SotWRequest(names: names.sorted(), version: version))
        case .delta: return .delta(DeltaRequest(subscribe: names.sorted(), initialVersions: held))
        }
    }

    /// The request that adds names and drops others.
    ///
    /// The client forgets the resources that it drops. In delta, a name that is added again is sent again.
    public mutating func change(
        adding added: some Sequence<ResourceName> = [], dropping dropped: some Sequence<ResourceName> = []
    ) -> DiscoveryRequest {
        request(adding: added, dropping: dropped, rejection: nil, isAnswer: false)
    }

    /// The ACK of a response; the same request may add and drop names.
    public mutating func accept(
        _ response: ResponseSummary, adding added: some Sequence<ResourceName> = [],
        dropping dropped: some Sequence<ResourceName> = []
    ) -> DiscoveryRequest {
        note(accepted: response)
        return request(adding: added, dropping: dropped, rejection: nil, isAnswer: true)
    }

    /// Notes an accepted response, for a client that encodes its ACK itself.
    public mutating func note(accepted response: ResponseSummary) {
        nonce = response.nonce
        switch variant {
        case .sotw:
            version = response.version
            if !missing.isEmpty { missing.subtract(response.resources.lazy.map(\.name)) }
        case .delta:
            for resource in response.resources where wants(resource.name) { held[resource.name] = resource.version }
            for name in response.removed { held[name] = nil }
        }
    }

    /// The NACK of a response: the client keeps what it holds.
    public mutating func reject(_ response: ResponseSummary, reason: String) -> DiscoveryRequest {
        nonce = response.nonce
        return request(adding: [], dropping: [], rejection: reason, isAnswer: true)
    }

    /// Notes the nonce of a response that is read and not answered yet: SotW's later requests repeat it.
    public mutating func note(read response: ResponseSummary) { nonce = response.nonce }

    /// Whether a resource belongs to the subscription.
    public func wants(_ name: ResourceName) -> Bool {
        names.contains(name) || names.contains(.wildcard) || name.collection.map(names.contains) == true
    }

    private mutating func request(
        adding added: some Sequence<ResourceName>, dropping dropped: some Sequence<ResourceName>, rejection: String?,
        isAnswer: Bool
    ) -> DiscoveryRequest {
        let added = Set(added), dropped = Set(dropped)
        let isNew = { [names] in !names.contains($0) }
        if variant == .sotw { missing = missing.union(added.filter(isNew)).subtracting(dropped) }
        names = names.union(added).subtracting(dropped)
        if !dropped.isEmpty { held = held.filter { wants($0.key) } }
        switch variant {
        case .sotw:
            return .sotw(
                SotWRequest(names: names.sorted(), version: version, nonce: nonce, rejection: rejection))
        case .delta:
            for name in added { held[name] = nil }
            return .delta(
                DeltaRequest(
                    subscribe: added.sorted(), unsubscribe: dropped.sorted(), nonce: isAnswer ? nonce : "",
                    rejection: rejection))
        }
    }
}

/// What a client's subscription has to know of a response.
public struct ResponseSummary: Hashable, Sendable {
    /// A resource of the response.
    public struct Resource: Hashable, Sendable {
        /// The name that it was sent under (delta), or its own (SotW).
        public var name: ResourceName
        /// Delta's version of it; empty in SotW.
        public var version: String

        /// A resource at a version.
        public init(name: ResourceName, version: String) {
            self.name = name
            self.version = version
        }
    }

    /// SotW's `version_info`, or delta's `system_version_info`.
    public var version: String
    /// The nonce to repeat in the answer.
    public var nonce: String
    /// In the order of the wire.
    public var resources: [Resource]
    /// Delta: resources that don't exist, or no longer.
    public var removed: [ResourceName]

    /// A response.
    public init(version: String, nonce: String, resources: [Resource], removed: [ResourceName]) {
        self.version = version
        self.nonce = nonce
        self.resources = resources
        self.removed = removed
    }
}

extension ResponseSummary {
    /// A response that this program made.
    public init(_ response: DiscoveryResponse) {
        let named = { (resource: VersionedName) in
            Resource(name: resource.name, version: resource.version.description)
        }
        switch response {
        case .sotw(let response):
            self.init(
                version: response.version.description, nonce: response.nonce.description,
                resources: response.resources.map(named), removed: [])
        case .delta(let response):
            self.init(
                version: response.version.description, nonce: response.nonce.description,
                resources: response.resources.map(named), removed: response.removed)
        }
    }
}
