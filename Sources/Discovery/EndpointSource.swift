public import Foundation
public import MeshConfiguration
public import Model

/// Learns one cluster's pods, its gateways, or both, from somewhere.
public protocol EndpointSource: Sendable {
    /// Tells what it learns until it is cancelled: first the cluster's whole state, then what changes.
    func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async

    /// Where the source has the pods of a service from, by their names; as far as it knows.
    func origins(of service: ServiceName) async -> [String: PodOrigin]
}

extension EndpointSource {
    /// Nothing is known.
    public func origins(of service: ServiceName) async -> [String: PodOrigin] { [:] }
}

/// Where one pod is written down.
public struct PodOrigin: Hashable, Sendable {
    /// Such as `EndpointSlice httpbin/httpbin-x7k2p`, or a file's path.
    public var object: String
    /// The object's version, where it has one: Kubernetes' `resourceVersion`.
    public var version: String?
    /// In a file, counted from 1.
    public var line: Int?

    /// An origin.
    public init(object: String, version: String? = nil, line: Int? = nil) {
        self.object = object
        self.version = version
        self.line = line
    }
}

/// What a source tells.
public enum SourceReport: Sendable {
    /// How it is known that pods are gone.
    public enum Evidence: Hashable, Sendable {
        /// They are no longer named, and that is all.
        case none
        /// The source was told of each that it went: a watch without gaps.
        case deletes
        /// Whoever tells has a guard of its own, and its word that the rest is all there is.
        case vouched
    }

    /// All of the cluster's pods, by service.
    case pods([ServiceName: [Pod]])
    /// All pods of those services of which something changed since the last report; none where a service has none.
    case changes([ServiceName: [Pod]], Evidence)
    /// All of the cluster's gateways.
    case gateways([Gateway])
    /// What was told last still holds.
    case confirmed
    /// What it can't take, though all else is well; each a sentence.
    case problems([String])
    /// It can't tell at the moment.
    ///
    /// What it told last stays in force. If a part of it fails, the others may still bring `changes`: the source is stale
    /// until it is `confirmed`.
    case failure(reason: String, ofPart: Bool = false)
}

/// Which source: a cluster, and where its pods or gateways are learned.
///
/// A source whose settings change is another one.
public struct SourceID: Hashable, Sendable {
    /// What is learned, and where.
    public enum Kind: Hashable, Sendable {
        /// Pods; from another Ballast, gateways too.
        case endpoints(Configuration.Endpoints)
        /// Gateways only.
        case gateways(Configuration.KubernetesGateways)
    }

    /// Whose pods or gateways.
    public var cluster: ClusterName
    /// What is learned, and where.
    public var kind: Kind

    /// The source of a cluster's pods.
    public init(_ source: Configuration.ClusterSource) {
        cluster = source.cluster.name
        kind = .endpoints(source.endpoints)
    }

    /// The source of a cluster's gateways; nil where it has none of its own.
    init?(gatewaysOf source: Configuration.ClusterSource) {
        guard case .kubernetes(let settings) = source.gateways else { return nil }
        cluster = source.cluster.name
        kind = .gateways(settings)
    }

    /// All sources of a cluster.
    static func all(of source: Configuration.ClusterSource) -> [SourceID] {
        [SourceID(source)] + [SourceID(gatewaysOf: source)].compactMap(\.self)
    }

    /// For people: `file /etc/ballast/east.yaml`.
    public var description: String {
        switch kind {
        case .endpoints(.file(let path)): "file \(path)"
        case .endpoints(.kubernetes(let settings)): "kubernetes \(settings.access.description)"
        case .endpoints(.ballast(let peer)): "ballast \(peer.address)"
        case .gateways(let settings): "kubernetes \(settings.access.description), gateways \(settings.labelSelector)"
        }
    }
}

/// How a source is doing.
public struct SourceStatus: Hashable, Sendable {
    /// The cluster; nil for a name in DNS, which more than one may have.
    public var cluster: ClusterName?
    /// Which source, for people.
    public var description: String
    /// Whether it has delivered since this program started.
    public var isSynced: Bool
    /// Why its last good state may be out of date; nil while all is well.
    public var staleReason: String?
    /// Since when.
    public var staleSince: Date?
    /// When it last said that its state is so.
    public var confirmed: Date?
    /// What it can't take, though all else is well.
    public var problems: [String]
    /// How many pods it knows, of all services.
    public var podCount: Int
    /// The gateways or addresses that it knows; nil for a source of pods alone.
    public var gateways: [String]?
}
