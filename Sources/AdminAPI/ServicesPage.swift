public import Foundation

/// The answer of `/v1/services`.
public struct ServicesPage: Codable, Hashable, Sendable {
    /// The cluster from whose point of view the services are shown.
    public var view: String
    /// The kind of client: `plain`, `grpc`, `lanes` or `gateway`.
    public var audience: String
    /// The status of each source.
    public var sources: [SourcePage]
    /// The services, ordered by name.
    public var services: [ServicePage]
    /// The `continue` parameter of the next page; nil if there is none.
    public var `continue`: String?

    /// Creates a page.
    public init(
        view: String, audience: String, sources: [SourcePage], services: [ServicePage], continue next: String? = nil
    ) {
        `continue` = next
        self.view = view
        self.audience = audience
        self.sources = sources
        self.services = services
    }
}

/// One service in one view.
public struct ServicePage: Codable, Hashable, Sendable {
    /// An EDS resource.
    public struct Resource: Codable, Hashable, Sendable {
        /// The resource's name.
        public var name: String
        /// The resource's version, a hash of its content.
        public var version: String

        /// Creates a resource.
        public init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    /// A cluster's intended share of the service's traffic.
    public struct Share: Codable, Hashable, Sendable {
        /// The cluster's name.
        public var cluster: String
        /// The share, 0 to 1, while priority 0 is healthy.
        public var share: Double
        /// What clients reported; nil without reports.
        public var observed: Observed?
        /// The sum of the cluster's endpoint weights as sent.
        public var weight: UInt64
        /// The priority, 0 first; nil if no pod of the cluster takes traffic.
        public var priority: UInt32?
        /// One sentence that explains the share.
        public var reason: String
        /// Problems with the cluster's part; nil for none.
        public var problem: String?
        /// The pods, ordered by name.
        public var pods: [Pod]

        /// Creates a share.
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

    /// A pod's intended share of the service's traffic.
    public struct Pod: Codable, Hashable, Sendable {
        /// The pod's name.
        public var name: String
        /// The share, 0 to 1, over all gateways.
        public var share: Double
        /// What clients reported; nil if none distinguish this pod's requests.
        public var observed: Observed?
        /// The health as its source reports it: `healthy`, `draining` or `unhealthy`.
        public var health: String
        /// When the pod's hold ends; nil if it isn't held.
        public var heldUntil: Date?
        /// Why the share differs from an equal part; nil if there is nothing to explain.
        public var note: String?

        /// Creates a pod.
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

    /// What clients reported about a target in the window.
    public struct Observed: Codable, Hashable, Sendable {
        /// The target's share of the service's requests, 0 to 1; nil if there were none.
        public var share: Double?
        /// Requests started.
        public var requests: UInt64
        /// Requests failed.
        public var errors: UInt64
        /// The estimated mean latency; nil if no request completed.
        public var latencyMilliseconds: Double?
        /// The means of the metrics that targets reported themselves (ORCA); nil for none.
        public var metrics: [String: Double]?

        /// Creates an observation.
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

    /// What clients reported about the service in the window.
    public struct ObservedService: Codable, Hashable, Sendable {
        /// What clients reported about a locality.
        public struct Locality: Codable, Hashable, Sendable {
            /// The region; may be empty.
            public var region: String
            /// The zone; may be empty.
            public var zone: String
            /// The sub-zone; may be empty.
            public var subZone: String
            /// What clients reported; nil without reports.
            public var observed: Observed?

            /// Creates a locality.
            public init(region: String, zone: String, subZone: String, observed: Observed? = nil) {
                self.region = region
                self.zone = zone
                self.subZone = subZone
                self.observed = observed
            }
        }

        /// The length of the window.
        public var windowSeconds: Double
        /// The number of reports.
        public var reports: Int
        /// Requests that clients dropped instead of sending.
        public var dropped: UInt64
        /// What clients reported about all targets together.
        public var total: Observed?
        /// What clients reported about each locality.
        public var localities: [Locality]

        /// Creates an observation of a service.
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
        /// The SNI by which the gateway selects the pod or service; nil if the endpoint doesn't set one.
        public var hostname: String?
        /// The HTTP CONNECT proxy; nil for none.
        public var proxy: String?
        /// The region of its locality.
        public var region: String
        /// The zone of its locality.
        public var zone: String
        /// The sub-zone of its locality.
        public var subZone: String
        /// The priority, 0 first.
        public var priority: UInt32
        /// The weight of its locality; nil if none of its endpoints takes traffic.
        public var localityWeight: UInt32?
        /// The load balancing weight, at least 1.
        public var weight: UInt32
        /// The health as sent.
        public var health: String

        /// Creates an endpoint.
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

    /// The service's name.
    public var name: String
    /// How traffic is divided between clusters: `global` or `local-first`.
    public var balance: String
    /// The service's EDS resources.
    public var resources: [Resource]
    /// The intended share of each cluster, ordered by cluster name.
    public var intended: [Share]
    /// What clients reported in the window; nil without reports.
    public var observed: ObservedService?
    /// The endpoints as sent.
    public var endpoints: [Endpoint]

    /// Creates a service.
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
