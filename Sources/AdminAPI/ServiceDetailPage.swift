public import Foundation

/// The answer of `/v1/services/NAME`: one service, with the origin of each of its pods and weights.
public struct ServiceDetailPage: Codable, Hashable, Sendable {
    /// One pod of the service, in any cluster.
    public struct Pod: Codable, Hashable, Sendable {
        /// The pod's cluster.
        public var cluster: String
        /// The pod's name.
        public var pod: String
        /// The address that the pod listens on.
        public var address: String
        /// The region of the pod's locality.
        public var region: String
        /// The zone of the pod's locality.
        public var zone: String
        /// The health as its source reports it.
        public var health: String
        /// The source that reported the pod.
        public var source: String?
        /// The object in the source that describes the pod, such as a file or an EndpointSlice.
        public var object: String?
        /// The object's version.
        public var version: String?
        /// The line, if the object is a file.
        public var line: Int?
        /// When the source last confirmed its state.
        public var confirmed: Date?
        /// Why the source's state may be out of date; nil if it is up to date.
        public var stale: String?
        /// Why the pod is served although its source no longer reports it; nil if it isn't held.
        public var held: String?
        /// How the pod's weight was computed.
        public var weight: Weight

        /// Creates a pod.
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

    /// How a pod's weight was computed.
    public struct Weight: Codable, Hashable, Sendable {
        /// The pod's own weight.
        public var pod: UInt32
        /// The cluster's multiplier, from the configuration.
        public var multiplier: String
        /// Where the multiplier is written, such as `/etc/ballast/ballast.yaml:12`; nil for the default.
        public var origin: String?
        /// The product on the service's scale; 0 for a pod that takes no traffic.
        public var scaled: UInt32
        /// The number of endpoints that share the cluster's weight; nil if each pod is its own endpoint.
        public var split: Int?
        /// The computation in words.
        public var derivation: String

        /// Creates a weight.
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

    /// The cluster from whose point of view the service is shown.
    public var view: String
    /// The kind of client: `plain`, `grpc`, `lanes` or `gateway`.
    public var audience: String
    /// The service as in `/v1/services`.
    public var service: ServicePage
    /// The status of each source.
    public var sources: [SourcePage]
    /// The pods that are held; nil for none.
    public var held: [HoldPage]?
    /// The pods, ordered by cluster and name.
    public var pods: [Pod]

    /// Creates a page.
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
