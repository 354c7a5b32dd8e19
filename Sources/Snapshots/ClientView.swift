public import Model

/// Everything that determines what a client is served: its cluster, and what it supports.
public struct ClientView: Hashable, Sendable {
    /// The cluster whose pods are local to the client.
    public var cluster: ClusterName
    /// The kind of client, which decides what it supports.
    public var kind: ClientKind
    /// Whether endpoints are sent as separate resources, in collections (LEDS).
    public var usesLEDS: Bool

    /// Creates a view.
    public init(cluster: ClusterName, kind: ClientKind, usesLEDS: Bool = false) {
        self.cluster = cluster
        self.kind = kind
        self.usesLEDS = usesLEDS
    }

    /// The same view with LEDS on instead of off, or the reverse.
    var withOtherLEDS: ClientView { ClientView(cluster: cluster, kind: kind, usesLEDS: !usesLEDS) }
}

/// The key of a view: what a client or a peer is served.
public enum ViewKey: Hashable, Sendable {
    /// A client's view.
    case client(ClientView)
    /// Another Ballast's view, by its name in `export`: the exports to it, and nothing else.
    case peer(String)

    /// The client view; nil for another Ballast.
    public var client: ClientView? { if case .client(let view) = self { view } else { nil } }

    /// Whether this is the view of a cluster's own gateways.
    public var isGateway: Bool { client?.kind == .gateway }
}
