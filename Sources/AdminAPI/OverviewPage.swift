import Foundation

/// The answer of `/v1/overview`: the first look.
public struct OverviewPage: Codable, Hashable, Sendable {
    /// A service at a glance.
    public struct Service: Codable, Hashable, Sendable {
        /// A cluster's part.
        public struct Cluster: Codable, Hashable, Sendable {
            /// The cluster's name.
            public var cluster: String
            /// The share without overrides, in percent.
            public var base: Double
            /// The share that is served, in percent.
            public var intended: Double
            /// The share that clients reported, in percent; nil without reports.
            public var observed: Double?
            /// Requests per second, as clients report; nil without reports.
            public var rps: Double?
            /// The part of the requests that failed, 0 to 1; nil without reports.
            public var errorRate: Double?
            /// The number of healthy pods.
            public var podsHealthy: Int
            /// The number of pods.
            public var podCount: Int
            /// How the share comes about.
            public var why: String

            /// Creates a value.
            public init(
                cluster: String, base: Double, intended: Double, observed: Double? = nil, rps: Double? = nil,
                errorRate: Double? = nil, podsHealthy: Int, podCount: Int, why: String
            ) {
                self.cluster = cluster
                self.base = base
                self.intended = intended
                self.observed = observed
                self.rps = rps
                self.errorRate = errorRate
                self.podsHealthy = podsHealthy
                self.podCount = podCount
                self.why = why
            }
        }

        /// The service's name.
        public var service: String
        /// The number of its clients that have what is served now.
        public var taken: Int
        /// The number of its clients.
        public var clients: Int
        /// The clusters, ordered by name.
        public var clusters: [Cluster]

        /// Creates a value.
        public init(service: String, taken: Int, clients: Int, clusters: [Cluster]) {
            self.service = service
            self.taken = taken
            self.clients = clients
            self.clusters = clusters
        }
    }

    /// The program's version.
    public var version: String
    /// Whether clients are served.
    public var ready: Bool
    /// Where overrides are kept: `file`, `memory` or `off`.
    public var store: String
    /// The number of services.
    public var serviceCount: Int
    /// Services without a pod that takes traffic, at most 20.
    public var podless: [String]
    /// The requests per second of all services, as clients report; nil without reports.
    public var rps: Double?
    /// The part of the requests that failed, 0 to 1; nil without reports.
    public var errorRate: Double?
    /// The number of clients' streams by state, such as `SYNCED`.
    public var clients: [String: Int]
    /// The status of each source.
    public var sources: [SourcePage]
    /// The first services by name, at most 100.
    public var services: [Service]
    /// The overrides that are not ended, newest first, at most 100.
    public var overrides: [OverridePage]
    /// What needs a person, the worst first, at most 20.
    public var attention: [String]

    /// Creates a value.
    public init(
        version: String, ready: Bool, store: String, serviceCount: Int, podless: [String], rps: Double? = nil,
        errorRate: Double? = nil, clients: [String: Int], sources: [SourcePage], services: [Service],
        overrides: [OverridePage], attention: [String]
    ) {
        self.version = version
        self.ready = ready
        self.store = store
        self.serviceCount = serviceCount
        self.podless = podless
        self.rps = rps
        self.errorRate = errorRate
        self.clients = clients
        self.sources = sources
        self.services = services
        self.overrides = overrides
        self.attention = attention
    }
}

/// The answer of `/v1/whoami`.
public struct WhoAmIPage: Codable, Hashable, Sendable {
    /// The name that changes are made under.
    public var name: String
    /// What the caller may do: `viewer`, `operator`, `breaker`.
    public var roles: [String]

    /// Creates a value.
    public init(name: String, roles: [String]) {
        self.name = name
        self.roles = roles
    }
}
