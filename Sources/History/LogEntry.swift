public import Foundation

/// Something that happened, as the log book keeps it.
public struct LogEntry: Codable, Hashable, Sendable {
    /// The kinds of entries.
    public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        /// What is served of a service changed.
        case change
        /// An override was created, or a transition was added to it.
        case override
        /// A problem began or ended.
        case problem
        /// A hold began or ended.
        case hold
        /// Clients are served from now on.
        case serving
    }

    /// One cluster's part of a service, as it was served.
    public struct Cluster: Codable, Hashable, Sendable {
        /// The cluster's name.
        public var cluster: String
        /// The share, 0 to 1.
        public var share: Double
        /// How the share came about, lowest layer first.
        public var layers: [Layer]
        /// The shares of the first pods by name, at most 100.
        public var pods: [String: Double]

        /// Creates a part.
        public init(cluster: String, share: Double, layers: [Layer], pods: [String: Double]) {
            self.cluster = cluster
            self.share = share
            self.layers = layers
            self.pods = pods
        }
    }

    /// A layer of a share.
    public struct Layer: Codable, Hashable, Sendable {
        /// The layer's number, 1 to 7.
        public var layer: Int
        /// The layer's name, such as `multipliers`.
        public var name: String
        /// What it does.
        public var effect: String
        /// What set it; nil if that goes without saying.
        public var origin: String?

        /// Creates a layer.
        public init(layer: Int, name: String, effect: String, origin: String?) {
            self.layer = layer
            self.name = name
            self.effect = effect
            self.origin = origin
        }
    }

    /// The entry's number; it increases, also over restarts.
    public var number: UInt64 = 0
    /// When it happened.
    public var time: Date
    /// The kind.
    public var kind: Kind
    /// The service that it is about; nil for none, `*` for all.
    public var service: String?
    /// What happened, in words.
    public var says: String
    /// What caused a change: `start`, `sources`, `configuration` or `override ID`; nil for other kinds.
    public var causes: [String]?
    /// What is served from then on to clients of this Ballast's cluster; nil for other kinds.
    public var clusters: [Cluster]?

    /// Creates an entry.
    public init(
        time: Date, kind: Kind, service: String? = nil, says: String, causes: [String]? = nil,
        clusters: [Cluster]? = nil
    ) {
        self.time = time
        self.kind = kind
        self.service = service
        self.says = says
        self.causes = causes
        self.clusters = clusters
    }
}
