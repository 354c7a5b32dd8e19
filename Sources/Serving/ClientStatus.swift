import EnvoyAPI
import GRPCTransport
public import Model
public import Snapshots
public import XDS

/// One stream of one client, at one moment.
public struct ClientStatus: Sendable {
    /// Node id; empty before the first request.
    public var node: String
    /// The node's `cluster`, Envoy's `--service-cluster`.
    public var nodeCluster: String
    /// `envoy`, or gRPC's name.
    public var userAgent: String
    /// The other end's address.
    public var peer: String
    /// The method that the stream called.
    public var method: String
    /// Which view it is served; nil until that is known.
    public var view: ViewKey?
    /// The cluster that this Ballast serves; empty before the first snapshot.
    public var ownCluster: ClusterName
    /// What it is served less well than it could be, and what doesn't work with it; each a sentence.
    public var notes: [String]
    /// Who its certificate says it is; empty without mutual TLS.
    public var identities: [String]
    /// What it wants and has; nil for a stream of load reports.
    private var subscriptions: StreamSubscriptions?

    init(_ session: ClientSession, notes: [String] = [], subscriptions: StreamSubscriptions? = nil) {
        let node = session.node ?? Node()
        self.node = node.id
        nodeCluster = node.cluster
        userAgent = node.userAgent
        peer = session.head.peer
        method = session.head.method
        view = session.view
        ownCluster = session.snapshot?.federation.ownCluster ?? ClusterName(rawValue: "")
        self.notes = session.notes + notes
        identities = session.head.identities.map(\.description)
        self.subscriptions = subscriptions
    }

    /// What it wants and has, by type; sorted here, and not on the threads that serve streams.
    ///
    /// - Parameter limit: how many resources of each type are listed; the rest is only counted.
    public func subscriptions(listing limit: Int) -> [(type: TypeURL, subscription: SubscriptionStatus)] {
        subscriptions?.status(listing: limit) ?? []
    }
}
