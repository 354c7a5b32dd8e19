/// The answer of `POST /v1/plans/configuration`: what another configuration would serve.
public struct ConfigurationPlanPage: Codable, Hashable, Sendable {
    /// A service that differs.
    public struct Service: Codable, Hashable, Sendable {
        /// The service's name.
        public var service: String
        /// `added`, `removed` or `changed`.
        public var change: String
        /// The clusters, ordered by name, without pods.
        public var clusters: [PlanPage.Cluster]

        /// Creates a value.
        public init(service: String, change: String, clusters: [PlanPage.Cluster]) {
            self.service = service
            self.change = change
            self.clusters = clusters
        }
    }

    /// The cluster whose clients the shares are for.
    public var view: String
    /// The services that differ, ordered by name; at most 1,000.
    public var services: [Service]
    /// The number of services that don't differ.
    public var same: Int
    /// Fields that would take effect at the next start only.
    public var pending: [String]
    /// The number of clients' streams, if any service differs; otherwise 0.
    public var clients: Int
    /// Clusters whose pods are not known here, because they are new or get their pods elsewhere.
    public var unknown: [String]

    /// Creates a value.
    public init(view: String, services: [Service], same: Int, pending: [String], clients: Int, unknown: [String]) {
        self.view = view
        self.services = services
        self.same = same
        self.pending = pending
        self.clients = clients
        self.unknown = unknown
    }
}

/// The answer of `GET /v1/services/NAME/trim`: multipliers that would even out the pods' utilisation.
public struct TrimPage: Codable, Hashable, Sendable {
    /// A suggested multiplier.
    public struct Suggestion: Codable, Hashable, Sendable {
        /// The cluster.
        public var cluster: String
        /// The mean of its pods.
        public var utilization: Double
        /// The factor on its pods' weights, as an override takes it.
        public var by: String

        /// Creates a value.
        public init(cluster: String, utilization: Double, by: String) {
            self.cluster = cluster
            self.utilization = utilization
            self.by = by
        }
    }

    /// The service's name.
    public var service: String
    /// The metric that pods report; nil if they report none.
    public var metric: String?
    /// Its mean over all pods.
    public var mean: Double?
    /// The suggested multipliers, one for each cluster that is off by more than 5 %.
    public var suggestions: [Suggestion]
    /// What was found, in a sentence.
    public var says: String

    /// Creates a value.
    public init(service: String, metric: String? = nil, mean: Double? = nil, suggestions: [Suggestion], says: String) {
        self.service = service
        self.metric = metric
        self.mean = mean
        self.suggestions = suggestions
        self.says = says
    }
}
