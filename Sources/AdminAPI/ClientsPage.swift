/// What `/v1/clients` answers.
public struct ClientsPage: Codable, Hashable, Sendable {
    /// A node on a connection.
    public struct Client: Codable, Hashable, Sendable {
        /// Node id; empty before its first request.
        public var node: String
        /// The node's `cluster`, Envoy's `--service-cluster`.
        public var cluster: String
        /// `envoy`, or gRPC's name.
        public var userAgent: String
        /// Its address.
        public var peer: String
        /// Who its certificate says it is; nil without mutual TLS.
        public var identities: [String]?
        /// The cluster whose clients are served so.
        public var view: String?
        /// The kind of client.
        public var audience: String?
        /// What it is served less well than it could be; nil for nothing.
        public var note: String?
        /// Its open streams.
        public var streams: [Stream]

        /// A client.
        public init(
            node: String, cluster: String, userAgent: String, peer: String, identities: [String]? = nil,
            view: String? = nil, audience: String? = nil, note: String? = nil, streams: [Stream]
        ) {
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
        /// The method that it called.
        public var method: String
        /// By type.
        public var subscriptions: [Subscription]

        /// A stream.
        public init(method: String, subscriptions: [Subscription]) {
            self.method = method
            self.subscriptions = subscriptions
        }
    }

    /// What a stream wants of one type, and what it has.
    public struct Subscription: Codable, Hashable, Sendable {
        /// A NACK.
        public struct Rejection: Codable, Hashable, Sendable {
            /// What was refused.
            public var version: String
            /// The client's own words.
            public var message: String

            /// A rejection.
            public init(version: String, message: String) {
                self.version = version
                self.message = message
            }
        }

        /// A resource that is subscribed to.
        public struct Resource: Codable, Hashable, Sendable {
            /// Its name.
            public var name: String
            /// False for a resource that is not there; nil for others.
            public var exists: Bool?
            /// The version that was sent last.
            public var sent: String?
            /// The version that the client took last.
            public var acknowledged: String?

            /// A resource.
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
        /// The version of the last response that the client took.
        public var acknowledged: String?
        /// Set while the last answer was a NACK.
        public var rejected: Rejection?
        /// In the order of their names.
        public var resources: [Resource]
        /// How many resources are not listed; nil if all are.
        public var omitted: Int?

        /// A subscription.
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

    /// By node.
    public var clients: [Client]
    /// How many streams of further clients are not listed; nil if all are.
    public var omittedStreams: Int?

    /// A clients page.
    public init(clients: [Client], omittedStreams: Int? = nil) {
        self.clients = clients
        self.omittedStreams = omittedStreams
    }
}
