public import Balancing
public import Discovery
import EnvoyAPI
public import Foundation
import GRPCTransport
public import Model
public import XDS

/// What a control plane is doing, as a value to look at.
public struct Status: Sendable {
    /// Whether it serves: every source has delivered once.
    public var isReady: Bool
    /// How each source is doing, in the order of the clusters' names; names in DNS come last.
    public var sources: [SourceStatus]
    /// Endpoints that are served though their source no longer names them.
    public var holds: [HoldStatus]
    /// What is wrong though everything is served, each a sentence.
    public var problems: [String]
    /// Which configuration is in force.
    public var configuration: ConfigurationStatus
    /// The cluster of the clients that say nothing else.
    public var defaultCluster: ClusterName
    /// What the kinds of client say that they sent where lately; services without reports have no entry.
    public var observed: [Viewer: [ServiceName: ObservedLoad]]
}

/// Which configuration is in force, and whether there is a newer one that can't be used.
public struct ConfigurationStatus: Hashable, Sendable {
    /// A newer configuration that was refused.
    public struct Refusal: Hashable, Sendable {
        /// When it was read.
        public var time: Date
        /// What is wrong with it.
        public var reason: String
    }

    /// A hash of the text: of two Ballasts, the same means the same configuration.
    public var version: String
    /// When it was put in force.
    public var loaded: Date
    /// The last attempt to load another, if that failed.
    public var refusal: Refusal?
    /// Fields that were changed, and take effect at the next start.
    public var pending: [String] = []
}

/// What is served of one service.
public struct ServiceStatus: Hashable, Sendable {
    /// The service.
    public var service: Service
    /// Its EDS resources.
    public var resources: [VersionedName]
    /// Who gets how much, and why.
    public var assignment: Assignment
}

/// One stream of one client.
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
    /// Whose view it is served.
    public var viewer: Viewer?
    /// The clusters of which it gets gateway addresses only, though they can be reached better: its node metadata
    /// doesn't say `lanes: true`, or it is a gRPC client.
    public var reduced: [ClusterName]
    /// What it is told less well than it could be, and what doesn't work with it; each a sentence.
    public var notes: [String]
    /// Who its certificate says it is; empty without mutual TLS.
    public var identities: [String]
    /// What it wants and has, by type.
    public var subscriptions: [(type: TypeURL, subscription: SubscriptionStatus)]

    init(
        _ session: ClientSession, notes: [String] = [],
        subscriptions: [(type: TypeURL, subscription: SubscriptionStatus)]
    ) {
        let node = session.node ?? Node()
        self.node = node.id
        nodeCluster = node.cluster
        userAgent = node.userAgent
        peer = session.head.peer
        method = session.head.method
        viewer = session.viewer
        reduced = session.reduced
        self.notes = session.notes + notes
        identities = session.head.identities.map(\.description)
        self.subscriptions = subscriptions
    }
}
