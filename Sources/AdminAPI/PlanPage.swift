import Foundation
public import Overrides

/// The answer of `POST /v1/plans`: what an override would change.
public struct PlanPage: Codable, Hashable, Sendable {
    /// What the loads of a plan are based on.
    public struct Basis: Codable, Hashable, Sendable {
        /// The service's requests per second; nil without load reports, or as the request's `rps` says.
        public var rps: Double?
        /// The time that was observed, in seconds.
        public var windowSeconds: Double
        /// The number of load reports in that time.
        public var reports: Int
        /// What is assumed to be down, as the request's `assume` says; nil for nothing.
        public var assumed: [String]?

        /// Creates a basis.
        public init(rps: Double? = nil, windowSeconds: Double, reports: Int, assumed: [String]? = nil) {
            self.rps = rps
            self.windowSeconds = windowSeconds
            self.reports = reports
            self.assumed = assumed
        }
    }

    /// One cluster's part of the service.
    public struct Cluster: Codable, Hashable, Sendable {
        /// The cluster's name.
        public var cluster: String
        /// The share now, in percent.
        public var before: Double
        /// The share with the full effect, in percent.
        public var after: Double
        /// Requests per second now and then; nil without load reports.
        public var rps: [Double]?
        /// How the share comes about then.
        public var reason: String
        /// The pods, ordered by name; at most 1,000.
        public var pods: [Pod]
        /// The number of pods left out; nil if all are listed.
        public var omitted: Int?

        /// Creates a cluster.
        public init(
            cluster: String, before: Double, after: Double, rps: [Double]? = nil, reason: String, pods: [Pod],
            omitted: Int? = nil
        ) {
            self.cluster = cluster
            self.before = before
            self.after = after
            self.rps = rps
            self.reason = reason
            self.pods = pods
            self.omitted = omitted
        }
    }

    /// One pod's part of the service.
    public struct Pod: Codable, Hashable, Sendable {
        /// The pod's name.
        public var pod: String
        /// The share now, in percent.
        public var before: Double
        /// The share with the full effect, in percent.
        public var after: Double
        /// Requests per second now and then; nil without load reports.
        public var rps: [Double]?
        /// `after / before`; nil for a pod that gets nothing now.
        public var times: Double?
        /// The load then, as a part of the most that a pod of the cluster has carried over 30 s in a day with under 1 %
        /// errors; nil if unknown.
        public var ofProved: Double?

        /// Creates a pod.
        public init(
            pod: String, before: Double, after: Double, rps: [Double]? = nil, times: Double? = nil,
            ofProved: Double? = nil
        ) {
            self.pod = pod
            self.before = before
            self.after = after
            self.rps = rps
            self.times = times
            self.ofProved = ofProved
        }
    }

    /// What a failure would do with the full effect in force.
    public struct Failure: Codable, Hashable, Sendable {
        /// What is lost, such as `cluster west`.
        public var lost: String
        /// The pod that then gets the most, compared with now; nil if no pod is left.
        public var hottest: String?
        /// Its requests per second; nil without load reports.
        public var rps: Double?
        /// Its load, compared with now; nil for a pod that gets nothing now.
        public var times: Double?
        /// Its load, as a part of what a pod of its cluster has carried; nil if unknown.
        public var ofProved: Double?
        /// The share of each cluster in percent, as Ballast answers.
        public var shares: [String: Double]
        /// The share of each cluster in percent before that, as an Envoy divides that knows of the failure by its own
        /// checks.
        public var envoy: [String: Double]

        /// Creates a failure.
        public init(
            lost: String, hottest: String? = nil, rps: Double? = nil, times: Double? = nil, ofProved: Double? = nil,
            shares: [String: Double], envoy: [String: Double]
        ) {
            self.lost = lost
            self.hottest = hottest
            self.rps = rps
            self.times = times
            self.ofProved = ofProved
            self.shares = shares
            self.envoy = envoy
        }
    }

    /// What each step costs.
    public struct Push: Codable, Hashable, Sendable {
        /// The number of clients that subscribe to the service.
        public var clients: Int
        /// The bytes of the service's endpoints for all of them, for each step.
        public var bytes: Int
        /// The bytes for all steps.
        public var bytesInAll: Int

        /// Creates a cost.
        public init(clients: Int, bytes: Int, bytesInAll: Int) {
            self.clients = clients
            self.bytes = bytes
            self.bytesInAll = bytesInAll
        }
    }

    /// A safety rule of the configuration.
    public struct Rule: Codable, Hashable, Sendable {
        /// The rule's name.
        public var name: String
        /// Whether the override keeps it.
        public var kept: Bool
        /// Why not; nil if it does.
        public var says: String?

        /// Creates a rule.
        public init(name: String, kept: Bool, says: String? = nil) {
            self.name = name
            self.kept = kept
            self.says = says
        }
    }

    /// What to know before the override is created.
    public struct Warning: Codable, Hashable, Sendable {
        /// The kind, such as `hot`.
        public var code: String
        /// The warning in a sentence.
        public var says: String

        /// Creates a warning.
        public init(code: String, says: String) {
            self.code = code
            self.says = says
        }
    }

    /// The change in a sentence.
    public var summary: String
    /// Whether the override can be created without breaking a rule.
    public var allowed: Bool
    /// The spec; nil for the plan of a configuration.
    public var spec: OverrideSpec?
    /// The service that is shown; for a spec of all services, the first by name.
    public var service: String
    /// The cluster whose clients the shares are for.
    public var view: String
    /// What the loads are based on.
    public var basis: Basis
    /// The clusters, ordered by name.
    public var clusters: [Cluster]
    /// The shares in percent at each step of the ramp, by cluster; one entry without a ramp.
    public var steps: [[String: Double]]
    /// What one more failure would do, worst first; at most 20.
    public var nextFailure: [Failure]
    /// What each step costs.
    public var push: Push
    /// What to know before the override is created.
    public var warnings: [Warning]
    /// The safety rules.
    public var rules: [Rule]
    /// What is in force when it has ended: `configuration`, or another override.
    public var returnsTo: String
    /// A hash of the spec, the service's overrides and the shares: `If-Match` of `POST /v1/overrides`.
    public var etag: String

    /// Creates a page.
    public init(
        summary: String, allowed: Bool, spec: OverrideSpec?, service: String, view: String, basis: Basis,
        clusters: [Cluster], steps: [[String: Double]], nextFailure: [Failure], push: Push, warnings: [Warning],
        rules: [Rule], returnsTo: String, etag: String
    ) {
        self.summary = summary
        self.allowed = allowed
        self.spec = spec
        self.service = service
        self.view = view
        self.basis = basis
        self.clusters = clusters
        self.steps = steps
        self.nextFailure = nextFailure
        self.push = push
        self.warnings = warnings
        self.rules = rules
        self.returnsTo = returnsTo
        self.etag = etag
    }
}
