public import Foundation

/// What `/v1/services/NAME` answers: one service, and where everything about it comes from.
public struct ServiceDetailPage: Codable, Hashable, Sendable {
    /// One pod, of any cluster.
    public struct Pod: Codable, Hashable, Sendable {
        /// Its cluster.
        public var cluster: String
        /// Its name.
        public var pod: String
        /// Where it listens.
        public var address: String
        /// Where it runs.
        public var region: String
        /// Where it runs.
        public var zone: String
        /// As its source says.
        public var health: String
        /// The source that named it.
        public var source: String?
        /// Where it is written down in that.
        public var object: String?
        /// The object's version.
        public var version: String?
        /// The line, if the object is a file.
        public var line: Int?
        /// When the source last confirmed that this is so.
        public var confirmed: Date?
        /// Why it may not be so any more.
        public var stale: String?
        /// Why it is served though its source no longer names it.
        public var held: String?
        /// How its weight came about.
        public var weight: Weight

        /// A pod.
        public init(
            cluster: String, pod: String, address: String, region: String, zone: String, health: String,
            source: String? = nil, object: String? = nil, version: String? = nil, line: Int? = nil,
            confirmed: Date? = nil, stale: String? = nil, held: String? = nil, weight: Weight
        ) {
            self.cluster = cluster
            self.pod = pod
            self.address = address
            self.region = region
            self.zone = zone
            self.health = health
            self.source = source
            self.object = object
            self.version = version
            self.line = line
            self.confirmed = confirmed
            self.stale = stale
            self.held = held
            self.weight = weight
        }
    }

    /// How a weight came about.
    public struct Weight: Codable, Hashable, Sendable {
        /// The pod's own.
        public var pod: UInt32
        /// Its cluster's, from the configuration.
        public var multiplier: String
        /// Where the multiplier is written, such as `/etc/ballast/ballast.yaml:12`; nil if it is nowhere.
        public var origin: String?
        /// Both together, on the scale of the service; 0 for a pod that takes no traffic.
        public var scaled: UInt32
        /// The number of endpoints that share the cluster's weight; nil if each pod is its own endpoint.
        public var split: Int?
        /// In words.
        public var derivation: String

        /// A weight.
        public init(
            pod: UInt32, multiplier: String, origin: String? = nil, scaled: UInt32, split: Int? = nil,
            derivation: String
        ) {
            self.pod = pod
            self.multiplier = multiplier
            self.origin = origin
            self.scaled = scaled
            self.split = split
            self.derivation = derivation
        }
    }

    /// The cluster whose clients are served so.
    public var view: String
    /// The kind of client.
    public var audience: String
    /// As `/v1/services` has it.
    public var service: ServicePage
    /// How each source is doing.
    public var sources: [SourcePage]
    /// Nil if nothing of it is held.
    public var held: [HoldPage]?
    /// By cluster and name.
    public var pods: [Pod]

    /// A service detail page.
    public init(
        view: String, audience: String, service: ServicePage, sources: [SourcePage], held: [HoldPage]? = nil,
        pods: [Pod]
    ) {
        self.view = view
        self.audience = audience
        self.service = service
        self.sources = sources
        self.held = held
        self.pods = pods
    }
}
