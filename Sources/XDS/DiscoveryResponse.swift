/// A response, in the stream's variant.
public enum DiscoveryResponse: Hashable, Sendable {
    /// State of the world.
    case sotw(SotWResponse)
    /// Incremental.
    case delta(DeltaResponse)

    /// The resources that are new to the client at this version.
    var changed: [ResourceName] {
        switch self {
        case .sotw(let response): response.changed
        case .delta(let response): response.resources.map(\.name)
        }
    }
}

/// A state-of-the-world response of one type.
public struct SotWResponse: Hashable, Sendable {
    /// The resources to send, each with its version.
    public var resources: [VersionedName]
    /// The resources that are new to the client at this version.
    public var changed: [ResourceName]
    /// Names that the client subscribes to and that don't exist, each reported once (xDS, `resource_errors`).
    public var missing: [ResourceName]
    /// Missing names for which an empty resource is sent.
    ///
    /// Otherwise a starting Envoy would wait for its `initial_fetch_timeout`, 15 s, before it accepts connections. Only names
    /// of which the client holds nothing: an empty assignment removes all hosts.
    public var vacant: [ResourceName]
    /// The version of the whole subscription.
    public var version: ResourceVersion
    /// Unique on this stream.
    public var nonce: Nonce
}

/// An incremental response of one type.
public struct DeltaResponse: Hashable, Sendable {
    /// The resources to send, each with its version.
    public var resources: [VersionedName] = []
    /// Collections to send as a whole, besides.
    public var collections: [ResourceName] = []
    /// Resources that don't exist, or no longer.
    public var removed: [ResourceName] = []
    /// Removed names that the client never had.
    public var absent: [ResourceName] = []
    /// Resources that are sent although they have not changed, because a parent was sent: see `resend`.
    public var renewed: [ResourceName] = []
    /// The version of all that the client has after this response; for people only.
    public var version: ResourceVersion
    /// Unique on this stream.
    public var nonce: Nonce

    var isEmpty: Bool { resources.isEmpty && collections.isEmpty && removed.isEmpty }
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
