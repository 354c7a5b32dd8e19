public import Foundation

/// The answer of `/v1/services/NAME/explain`: how shares come about, layer by layer.
public struct ExplainPage: Codable, Hashable, Sendable {
    /// A step of the computation.
    public struct Layer: Codable, Hashable, Sendable {
        /// The number, 1 to 7, lowest first.
        public var layer: Int
        /// `source`, `configuration`, `multipliers`, `shares`, `drains`, `limits` or `view`.
        public var name: String
        /// What it does, in words.
        public var effect: String
        /// Where it is written: a file and line, an override, or the source's object; nil if that goes without saying.
        public var origin: String?

        /// Creates a value.
        public init(layer: Int, name: String, effect: String, origin: String? = nil) {
            self.layer = layer
            self.name = name
            self.effect = effect
            self.origin = origin
        }
    }

    /// A cluster, or a pod of it.
    public struct Part: Codable, Hashable, Sendable {
        /// The cluster's name.
        public var cluster: String
        /// The pod's name; nil for the whole cluster.
        public var pod: String?
        /// The share, 0 to 1.
        public var share: Double
        /// The share that clients reported, 0 to 1; nil without reports.
        public var observed: Double?
        /// The layers that do something, lowest first.
        public var layers: [Layer]
        /// The shares of the first 100 pods; nil for a pod.
        public var pods: [String: Double]?

        /// Creates a value.
        public init(
            cluster: String, pod: String? = nil, share: Double, observed: Double? = nil, layers: [Layer],
            pods: [String: Double]? = nil
        ) {
            self.cluster = cluster
            self.pod = pod
            self.share = share
            self.observed = observed
            self.layers = layers
            self.pods = pods
        }
    }

    /// The service's name.
    public var service: String
    /// The cluster whose clients the shares are for.
    public var view: String
    /// The kind of client: `plain`, `grpc`, `lanes` or `gateway`.
    public var audience: String
    /// The earlier time that is explained; nil for now.
    public var at: Date?
    /// Since when it was served like that; nil for now.
    public var since: Date?
    /// What caused the last change before that time; nil for now.
    public var causes: [String]?
    /// The service's requests per second; nil without load reports.
    public var rps: Double?
    /// The clusters, ordered by name; one if a cluster or pod was asked for.
    public var clusters: [Part]
    /// What an Envoy makes of it; nil at an earlier time.
    public var client: String?
    /// The overrides of the service that were not ended then.
    public var overrides: [OverridePage]

    /// Creates a value.
    public init(
        service: String, view: String, audience: String, at: Date? = nil, since: Date? = nil, causes: [String]? = nil,
        rps: Double? = nil, clusters: [Part], client: String? = nil, overrides: [OverridePage]
    ) {
        self.service = service
        self.view = view
        self.audience = audience
        self.at = at
        self.since = since
        self.causes = causes
        self.rps = rps
        self.clusters = clusters
        self.client = client
        self.overrides = overrides
    }
}

/// The answer of `/v1/services/NAME/series`: what clients reported over time.
public struct SeriesPage: Codable, Hashable, Sendable {
    /// The sums of an interval.
    public struct Numbers: Codable, Hashable, Sendable {
        /// Requests started.
        public var requests: UInt64
        /// Requests failed.
        public var errors: UInt64
        /// The mean latency; nil if unknown.
        public var latencyMilliseconds: Double?

        /// Creates a value.
        public init(requests: UInt64, errors: UInt64, latencyMilliseconds: Double? = nil) {
            self.requests = requests
            self.errors = errors
            self.latencyMilliseconds = latencyMilliseconds
        }
    }

    /// An interval.
    public struct Point: Codable, Hashable, Sendable {
        /// The end of the interval.
        public var time: Date
        /// The intended share of each cluster, 0 to 1.
        public var intended: [String: Double]
        /// The share of each cluster that clients reported, 0 to 1.
        public var observed: [String: Double]
        /// What was reported about the service.
        public var service: Numbers
        /// What was reported about each cluster.
        public var clusters: [String: Numbers]

        /// Creates a value.
        public init(
            time: Date, intended: [String: Double], observed: [String: Double], service: Numbers,
            clusters: [String: Numbers]
        ) {
            self.time = time
            self.intended = intended
            self.observed = observed
            self.service = service
            self.clusters = clusters
        }
    }

    /// The service's name.
    public var service: String
    /// The time between two points, in seconds.
    public var step: Double
    /// The points, oldest first.
    public var points: [Point]
    /// What happened in that time, newest first, at most 100.
    public var events: [HistoryPage.Entry]

    /// Creates a value.
    public init(service: String, step: Double, points: [Point], events: [HistoryPage.Entry]) {
        self.service = service
        self.step = step
        self.points = points
        self.events = events
    }
}

/// The answer of `/v1/history`: what happened, newest first.
public struct HistoryPage: Codable, Hashable, Sendable {
    /// Something that happened.
    public struct Entry: Codable, Hashable, Sendable {
        /// The entry's number; it increases, also over restarts.
        public var number: UInt64
        /// When it happened.
        public var time: Date
        /// `change`, `override`, `problem`, `hold` or `serving`.
        public var kind: String
        /// The service that it is about; nil for none, `*` for all.
        public var service: String?
        /// What happened, in words.
        public var says: String
        /// What caused a change: `start`, `sources`, `configuration` or `override ID`; nil for other kinds.
        public var causes: [String]?

        /// Creates a value.
        public init(
            number: UInt64, time: Date, kind: String, service: String? = nil, says: String, causes: [String]? = nil
        ) {
            self.number = number
            self.time = time
            self.kind = kind
            self.service = service
            self.says = says
            self.causes = causes
        }
    }

    /// The entries.
    public var entries: [Entry]
    /// The `continue` parameter of the next page; nil if there is none.
    public var `continue`: String?

    /// Creates a value.
    public init(entries: [Entry], `continue`: String? = nil) {
        self.entries = entries
        self.`continue` = `continue`
    }
}

/// The answer of `/v1/checks`: what Ballast finds in itself.
public struct ChecksPage: Codable, Hashable, Sendable {
    /// One check.
    public struct Check: Codable, Hashable, Sendable {
        /// The code, such as `BAL131`; `ballast check --explain CODE` says more.
        public var code: CheckCode
        /// The result.
        public var state: CheckState
        /// What was found.
        public var says: String

        /// Creates a value.
        public init(code: CheckCode, state: CheckState, says: String) {
            self.code = code
            self.state = state
            self.says = says
        }
    }

    /// The checks, worst first.
    public var checks: [Check]

    /// Creates a value.
    public init(checks: [Check]) {
        self.checks = checks
    }
}

/// The data of an event of `/v1/events`.
public struct EventPage: Codable, Hashable, Sendable {
    /// When it happened.
    public var time: Date
    /// What happened, in sentences.
    public var says: [String]
    /// The service that it is about; nil for several, or none.
    public var service: String?
    /// The override that it is about; nil for none.
    public var override: String?

    /// Creates a value.
    public init(time: Date, says: [String], service: String? = nil, override: String? = nil) {
        self.time = time
        self.says = says
        self.service = service
        self.override = override
    }
}
