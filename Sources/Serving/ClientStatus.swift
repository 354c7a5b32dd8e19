import EnvoyAPI
public import Foundation
import GRPCTransport
public import Model
public import Snapshots
public import XDS

/// The state of one stream of a client at one moment.
public struct ClientStatus: Sendable {
    /// The node ID; empty before the first request.
    public var node: String
    /// The node's `cluster`, Envoy's `--service-cluster`.
    public var nodeCluster: String
    /// `envoy`, or the user agent name of a gRPC client.
    public var userAgent: String
    /// The client's address.
    public var peer: String
    /// The method that the client called.
    public var method: String
    /// The view that the client is served; nil until it is known.
    public var view: ViewKey?
    /// The cluster that this Ballast serves; empty before the first snapshot.
    public var ownCluster: ClusterName
    /// Sentences about what the client can't be served, and about what doesn't work for it.
    public var notes: [String]
    /// When the stream was opened; nil for a stream of load reports.
    public var started: Date?
    /// Whether the client has all that is served to it now; nil for a stream of load reports.
    public var sync: SyncState?
    /// The names in the client's certificate; empty without mutual TLS.
    public var identities: [String]
    /// The client's subscriptions; nil for a stream of load reports.
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

    /// The first type whose last answer was a NACK, with the client's message.
    public var rejection: (type: TypeURL, message: String)? {
        subscriptions?.firstRejection.map { ($0.type, $0.rejection.message) }
    }

    /// The client's subscriptions by type, sorted here rather than on the threads that serve streams.
    ///
    /// - Parameter limit: the maximum number of resources listed for each type; the others are only counted.
    public func subscriptions(listing limit: Int) -> [(type: TypeURL, subscription: SubscriptionStatus)] {
        subscriptions?.status(listing: limit) ?? []
    }
}
