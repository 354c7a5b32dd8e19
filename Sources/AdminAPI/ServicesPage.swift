public import Foundation

/// What `/v1/services` answers.
public struct ServicesPage: Codable, Hashable, Sendable {
    /// The cluster whose clients are served so.
    public var view: String
    /// The kind of client: `plain`, `grpc`, `lanes` or `gateway`.
    public var audience: String
    /// How each source is doing.
    public var sources: [SourcePage]
    /// In the order of their names.
    public var services: [ServicePage]

    /// A services page.
    public init(view: String, audience: String, sources: [SourcePage], services: [ServicePage]) {
        self.view = view
        self.audience = audience
        self.sources = sources
        self.services = services
    }
}

/// One service, in one view.
public struct ServicePage: Codable, Hashable, Sendable {
    /// An EDS resource.
    public struct Resource: Codable, Hashable, Sendable {
        /// Its name.
        public var name: String
        /// A hash of its content.
        public var version: String

        /// A resource.
        public init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    /// What a cluster shall get.
    public struct Share: Codable, Hashable, Sendable {
        /// Which cluster.
        public var cluster: String
        /// 0 to 1, while priority 0 is well.
        public var share: Double
        /// What clients reported; nil if none did.
        public var observed: Observed?
        /// The sum of its endpoints' weights as sent.
        public var weight: UInt64
        /// Nil if it has no endpoint to serve.
        public var priority: UInt32?
        /// How the share came about.
        public var reason: String
        /// What is wrong with it; nil for nothing.
        public var problem: String?
        /// In the order of their names.
        public var pods: [Pod]

        /// A share.
        public init(
            cluster: String, share: Double, observed: Observed? = nil, weight: UInt64, priority: UInt32? = nil,
            reason: String, problem: String? = nil, pods: [Pod]
        ) {
            self.cluster = cluster
            self.share = share
            self.observed = observed
            self.weight = weight
            self.priority = priority
            self.reason = reason
            self.problem = problem
            self.pods = pods
        }
    }

    /// What a pod shall get.
    public struct Pod: Codable, Hashable, Sendable {
        /// Its name.
        public var name: String
        /// 0 to 1, all gateways taken together.
        public var share: Double
        /// What clients reported; nil if none told its requests apart.
        public var observed: Observed?
        /// `healthy`, `draining` or `unhealthy`, as its source says.
        public var health: String
        /// Until when it is served though its source no longer names it; nil for others.
        public var heldUntil: Date?
        /// Why it gets something other than an equal part; nil if there is nothing to say.
        public var note: String?

        /// A pod.
        public init(
            name: String, share: Double, observed: Observed? = nil, health: String, heldUntil: Date? = nil,
            note: String? = nil
        ) {
            self.name = name
            self.share = share
            self.observed = observed
            self.health = health
            self.heldUntil = heldUntil
            self.note = note
        }
    }

    /// What clients reported of a target, over the window.
    public struct Observed: Codable, Hashable, Sendable {
        /// Of the service's requests, 0 to 1; nil if there were none.
        public var share: Double?
        /// Begun in the window.
        public var requests: UInt64
        /// Failed in it.
        public var errors: UInt64
        /// The mean, estimated; nil if no request ended.
        public var latencyMilliseconds: Double?
        /// Means of what targets reported themselves (ORCA); nil for nothing.
        public var metrics: [String: Double]?

        /// A observed.
        public init(
            share: Double? = nil, requests: UInt64, errors: UInt64, latencyMilliseconds: Double? = nil,
            metrics: [String: Double]? = nil
        ) {
            self.share = share
            self.requests = requests
            self.errors = errors
            self.latencyMilliseconds = latencyMilliseconds
            self.metrics = metrics
        }
    }

    /// What clients reported of the service.
    public struct ObservedService: Codable, Hashable, Sendable {
        /// What clients reported of a locality.
        public struct Locality: Codable, Hashable, Sendable {
            /// May be empty.
            public var region: String
            /// May be empty.
            public var zone: String
            /// May be empty.
            public var subZone: String
            /// What clients reported.
            public var observed: Observed?

            /// A locality.
            public init(region: String, zone: String, subZone: String, observed: Observed? = nil) {
                self.region = region
                self.zone = zone
                self.subZone = subZone
                self.observed = observed
            }
        }

        /// How far back it reaches.
        public var windowSeconds: Double
        /// How many reports it is made of.
        public var reports: Int
        /// Requests that clients dropped instead of sending them.
        public var dropped: UInt64
        /// Of all targets together.
        public var total: Observed?
        /// Of each locality.
        public var localities: [Locality]

        /// A observed service.
        public init(
            windowSeconds: Double, reports: Int, dropped: UInt64, total: Observed? = nil, localities: [Locality]
        ) {
            self.windowSeconds = windowSeconds
            self.reports = reports
            self.dropped = dropped
            self.total = total
            self.localities = localities
        }
    }

    /// An endpoint as sent.
    public struct Endpoint: Codable, Hashable, Sendable {
        /// `10.0.0.1:80`, or `west_gateway/w1.httpbin.west.ballast`.
        public var address: String
        /// The SNI; nil if clients choose it.
        public var hostname: String?
        /// The HTTP CONNECT proxy; nil for none.
        public var proxy: String?
        /// Of its locality.
        public var region: String
        /// Of its locality.
        public var zone: String
        /// Of its locality.
        public var subZone: String
        /// 0 first.
        public var priority: UInt32
        /// Of its locality; nil if that takes no traffic.
        public var localityWeight: UInt32?
        /// At least 1.
        public var weight: UInt32
        /// As sent.
        public var health: String

        /// A endpoint.
        public init(
            address: String, hostname: String? = nil, proxy: String? = nil, region: String, zone: String,
            subZone: String, priority: UInt32, localityWeight: UInt32? = nil, weight: UInt32, health: String
        ) {
            self.address = address
            self.hostname = hostname
            self.proxy = proxy
            self.region = region
            self.zone = zone
            self.subZone = subZone
            self.priority = priority
            self.localityWeight = localityWeight
            self.weight = weight
            self.health = health
        }
    }

    /// Its name.
    public var name: String
    /// `global` or `local-first`.
    public var balance: String
    /// Its EDS resources.
    public var resources: [Resource]
    /// By cluster.
    public var intended: [Share]
    /// Nil if no client has reported lately.
    public var observed: ObservedService?
    /// As sent.
    public var endpoints: [Endpoint]

    /// A service page.
    public init(
        name: String, balance: String, resources: [Resource], intended: [Share], observed: ObservedService? = nil,
        endpoints: [Endpoint]
    ) {
        self.name = name
        self.balance = balance
        self.resources = resources
        self.intended = intended
        self.observed = observed
        self.endpoints = endpoints
    }
}
