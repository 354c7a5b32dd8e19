public import Foundation

/// What `/readyz` answers.
public struct ReadinessPage: Codable, Hashable, Sendable {
    /// A configuration that is in force.
    public struct Configuration: Codable, Hashable, Sendable {
        /// A configuration that can't be used.
        public struct Refusal: Codable, Hashable, Sendable {
            /// When it was read.
            public var time: Date
            /// What is wrong with it.
            public var reason: String

            /// A refusal.
            public init(time: Date, reason: String) {
                self.time = time
                self.reason = reason
            }
        }

        /// A hash of the text: of two Ballasts, the same means the same configuration.
        public var version: String
        /// When it was put in force.
        public var loaded: Date
        /// A newer one that can't be used; nil if there is none.
        public var refused: Refusal?
        /// Fields that were changed, and take effect at the next start; nil for none.
        public var pending: [String]?

        /// A configuration.
        public init(version: String, loaded: Date, refused: Refusal? = nil, pending: [String]? = nil) {
            self.version = version
            self.loaded = loaded
            self.refused = refused
            self.pending = pending
        }
    }

    /// Whether clients are served: every source has delivered once.
    public var ready: Bool
    /// Which configuration is in force.
    public var configuration: Configuration
    /// What is wrong though everything is served, each a sentence; nil for nothing, at most 100.
    public var problems: [String]?
    /// How each source is doing.
    public var sources: [SourcePage]
    /// Pods that are held; nil for none.
    public var held: [HoldPage]?

    /// A readiness page.
    public init(
        ready: Bool, configuration: Configuration, problems: [String]? = nil, sources: [SourcePage],
        held: [HoldPage]? = nil
    ) {
        self.ready = ready
        self.configuration = configuration
        self.problems = problems
        self.sources = sources
        self.held = held
    }
}

/// How a source is doing.
public struct SourcePage: Codable, Hashable, Sendable {
    /// The cluster; nil for a name in DNS.
    public var cluster: String?
    /// Which source, such as `file /etc/ballast/east.yaml`.
    public var source: String
    /// Whether it has delivered since this program started.
    public var synced: Bool
    /// Why its last good state may be out of date; nil while all is well.
    public var stale: String?
    /// Since when.
    public var staleSince: Date?
    /// When it last confirmed its state.
    public var confirmed: Date?
    /// What it can't use, though everything else is well; nil for nothing.
    public var problems: [String]?
    /// How many pods it knows, of all services.
    public var pods: Int
    /// The gateways or addresses that it knows; nil for a source of pods alone.
    public var gateways: [String]?

    /// A source page.
    public init(
        cluster: String? = nil, source: String, synced: Bool, stale: String? = nil, staleSince: Date? = nil,
        confirmed: Date? = nil, problems: [String]? = nil, pods: Int, gateways: [String]? = nil
    ) {
        self.cluster = cluster
        self.source = source
        self.synced = synced
        self.stale = stale
        self.staleSince = staleSince
        self.confirmed = confirmed
        self.problems = problems
        self.pods = pods
        self.gateways = gateways
    }
}

/// Pods that are served though their source no longer names them.
public struct HoldPage: Codable, Hashable, Sendable {
    /// Of which service.
    public var service: String
    /// Of which cluster.
    public var cluster: String
    /// Their names.
    public var pods: [String]
    /// Why they are held, and what to do.
    public var reason: String
    /// Since when.
    public var since: Date
    /// When the last of them go.
    public var until: Date
    /// When some of them go; nil if all go at `until`.
    public var nextStep: Date?

    /// A hold page.
    public init(
        service: String, cluster: String, pods: [String], reason: String, since: Date, until: Date,
        nextStep: Date? = nil
    ) {
        self.service = service
        self.cluster = cluster
        self.pods = pods
        self.reason = reason
        self.since = since
        self.until = until
        self.nextStep = nextStep
    }
}
