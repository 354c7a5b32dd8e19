public import Foundation

/// The answer of `/readyz`.
public struct ReadinessPage: Codable, Hashable, Sendable {
    /// The configuration in force.
    public struct Configuration: Codable, Hashable, Sendable {
        /// A newer configuration that was refused.
        public struct Refusal: Codable, Hashable, Sendable {
            /// When it was read.
            public var time: Date
            /// Why it was refused.
            public var reason: String

            /// Creates a refusal.
            public init(time: Date, reason: String) {
                self.time = time
                self.reason = reason
            }
        }

        /// A hash of the configuration file's text; Ballasts with the same configuration show the same version.
        public var version: String
        /// When the configuration was loaded.
        public var loaded: Date
        /// The newer configuration that was refused; nil if there is none.
        public var refused: Refusal?
        /// Changed fields that take effect at the next start; nil for none.
        public var pending: [String]?

        /// Creates a configuration.
        public init(version: String, loaded: Date, refused: Refusal? = nil, pending: [String]? = nil) {
            self.version = version
            self.loaded = loaded
            self.refused = refused
            self.pending = pending
        }
    }

    /// Whether clients are served, because every source has synced.
    public var ready: Bool
    /// The configuration in force.
    public var configuration: Configuration
    /// Problems that don't prevent serving, as sentences; at most 100, nil for none.
    public var problems: [String]?
    /// The status of each source.
    public var sources: [SourcePage]
    /// The pods that are held; nil for none.
    public var held: [HoldPage]?

    /// Creates a page.
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

/// The status of a source.
public struct SourcePage: Codable, Hashable, Sendable {
    /// The cluster; nil for a DNS name.
    public var cluster: String?
    /// The source, such as `file /etc/ballast/east.yaml`.
    public var source: String
    /// Whether the source has delivered its first whole state since this program started.
    public var synced: Bool
    /// Why its last good state may be out of date; nil if it is up to date.
    public var stale: String?
    /// Since when it is stale.
    public var staleSince: Date?
    /// When the source last confirmed its state.
    public var confirmed: Date?
    /// Parts of the source's data that can't be used; nil for none.
    public var problems: [String]?
    /// The number of pods it knows, of all services.
    public var pods: Int
    /// The gateways or addresses it knows; nil for a source of pods only.
    public var gateways: [String]?

    /// Creates a source.
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

/// Pods that are served although their source no longer reports them.
public struct HoldPage: Codable, Hashable, Sendable {
    /// The pods' service.
    public var service: String
    /// The pods' cluster.
    public var cluster: String
    /// The pods' names.
    public var pods: [String]
    /// Why they are held, and what the operator can do.
    public var reason: String
    /// When the hold began.
    public var since: Date
    /// When the last of them are removed.
    public var until: Date
    /// When the next of them are removed; nil if all are removed at `until`.
    public var nextStep: Date?

    /// Creates a hold.
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
