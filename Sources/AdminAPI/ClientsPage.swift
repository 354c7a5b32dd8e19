public import Foundation

/// The answer of `/v1/clients`.
public struct ClientsPage: Codable, Hashable, Sendable {
    /// A client: a node on a connection.
    public struct Client: Codable, Hashable, Sendable {
        /// The node ID; empty before the first request.
        public var node: String
        /// The node's `cluster`, Envoy's `--service-cluster`.
        public var cluster: String
        /// `envoy`, or the user agent name of a gRPC client.
        public var userAgent: String
        /// The client's address.
        public var peer: String
        /// The names in the client's certificate; nil without mutual TLS.
        public var identities: [String]?
        /// The cluster whose view the client is served; nil until it is known.
        public var view: String?
        /// The kind of client; nil until it is known.
        public var audience: String?
        /// What the client can't be served, and what doesn't work for it; nil for nothing.
        public var note: String?
        /// Whether the client has what is served now, by its worst stream: `SYNCED`, `PENDING`, `STALE`, `BEHIND` or
        /// `NACKED`; nil for streams of load reports only.
        public var state: String?
        /// When its oldest discovery stream was opened; nil for streams of load reports only.
        public var since: Date?
        /// The client's open streams.
        public var streams: [Stream]

        /// Creates a client.
        public init(
            node: String, cluster: String, userAgent: String, peer: String, identities: [String]? = nil,
            view: String? = nil, audience: String? = nil, note: String? = nil, state: String? = nil,
            since: Date? = nil, streams: [Stream]
        ) {
            self.state = state
            self.since = since
            self.node = node
            self.cluster = cluster
            self.userAgent = userAgent
            self.peer = peer
            self.identities = identities
            self.view = view
            self.audience = audience
            self.note = note
            self.streams = streams
        }
    }

    /// A stream of a client.
    public struct Stream: Codable, Hashable, Sendable {
        /// The method that the client called.
        public var method: String
        /// The subscriptions, by type.
        public var subscriptions: [Subscription]

        /// Creates a stream.
        public init(method: String, subscriptions: [Subscription]) {
            self.method = method
            self.subscriptions = subscriptions
        }
    }

    /// A stream's subscription to one type.
    public struct Subscription: Codable, Hashable, Sendable {
        /// A NACK.
        public struct Rejection: Codable, Hashable, Sendable {
            /// The version that the client rejected.
            public var version: String
            /// The client's error message.
            public var message: String

            /// Creates a rejection.
            public init(version: String, message: String) {
                self.version = version
                self.message = message
            }
        }

        /// A subscribed resource.
        public struct Resource: Codable, Hashable, Sendable {
            /// The resource's name.
            public var name: String
            /// False if the resource doesn't exist; otherwise nil.
            public var exists: Bool?
            /// The last version sent.
            public var sent: String?
            /// The last version that the client ACKed.
            public var acknowledged: String?

            /// Creates a resource.
            public init(name: String, exists: Bool? = nil, sent: String? = nil, acknowledged: String? = nil) {
                self.name = name
                self.exists = exists
                self.sent = sent
                self.acknowledged = acknowledged
            }
        }

        /// The type URL.
        public var type: String
        /// The version of the last response; nil before the first.
        public var sent: String?
        /// The version of the last response that the client ACKed.
        public var acknowledged: String?
        /// The rejection, if the client's last answer was a NACK.
        public var rejected: Rejection?
        /// The resources, ordered by name.
        public var resources: [Resource]
        /// The number of resources left out; nil if all are listed.
        public var omitted: Int?

        /// Creates a subscription.
        public init(
            type: String, sent: String? = nil, acknowledged: String? = nil, rejected: Rejection? = nil,
            resources: [Resource], omitted: Int? = nil
        ) {
            self.type = type
            self.sent = sent
            self.acknowledged = acknowledged
            self.rejected = rejected
            self.resources = resources
            self.omitted = omitted
        }
    }

    /// The clients, ordered by node.
    public var clients: [Client]
    /// The number of streams of clients left out; nil if all are listed.
    public var omittedStreams: Int?

    /// Creates a page.
    public init(clients: [Client], omittedStreams: Int? = nil) {
        self.clients = clients
        self.omittedStreams = omittedStreams
    }
}
