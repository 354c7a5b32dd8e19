public import Model

/// What a client is served depends on nothing but this: the cluster that it is in, and what it can take.
public struct ClientView: Hashable, Sendable {
    /// Whose pods are local.
    public var cluster: ClusterName
    /// What can be sent.
    public var kind: ClientKind
    /// Whether endpoints are sent one by one, as collections (LEDS).
    public var usesLEDS: Bool

    /// A view.
    public init(cluster: ClusterName, kind: ClientKind, usesLEDS: Bool = false) {
        self.cluster = cluster
        self.kind = kind
        self.usesLEDS = usesLEDS
    }

    /// The same view with the endpoints sent in the other way.
    var withOtherLEDS: ClientView { ClientView(cluster: cluster, kind: kind, usesLEDS: !usesLEDS) }
}

/// Which view of the mesh is served.
public enum ViewKey: Hashable, Sendable {
    /// A client's.
    case client(ClientView)
    /// Another Ballast's, by its name in `export`: what is exported to it, and nothing else.
    case peer(String)

    /// The client's view; nil for another Ballast.
    public var client: ClientView? { if case .client(let view) = self { view } else { nil } }

    /// Whether it is the view of clusters' own gateways.
    public var isGateway: Bool { client?.kind == .gateway }
}
