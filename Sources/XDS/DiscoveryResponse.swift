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

/// An incremental response of one type, without its bytes.
public struct DeltaResponse: Hashable, Sendable {
    /// What to send, each with the version to send.
    public var resources: [VersionedName] = []
    /// Collections of which all resources are to be sent, besides.
    public var collections: [ResourceName] = []
    /// What doesn't exist, or no longer.
    public var removed: [ResourceName] = []
    /// Those of them that the client asked for and never had.
    public var absent: [ResourceName] = []
    /// Those of the resources that are sent because something else was: see `owe`.
    public var renewed: [ResourceName] = []
    /// The version of all that the client has after this; for people only.
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
