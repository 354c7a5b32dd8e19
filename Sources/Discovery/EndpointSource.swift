public import Intent
public import Model

/// Learns one cluster's pods, its gateways, or both, from somewhere.
public protocol EndpointSource: Sendable {
    /// Reports what it learns until its task is cancelled: first the whole state, then what changes.
    func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async

    /// Where the pods of a service are written down, by their names; as far as the source knows.
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
    /// The object's version, such as Kubernetes' `resourceVersion`; nil if it has none.
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

/// What a source reports.
public enum SourceReport: Sendable {
    /// What it has learned.
    case update(SourceUpdate)
    /// What it reported last is still so.
    case confirmed
    /// What it can't use, though everything else is well; each a sentence.
    case problems([String])
    /// It can't learn anything at the moment; what it reported last stays in force.
    ///
    /// If only a part of it fails, the other parts still bring updates: the source is stale until it is `confirmed`.
    case failure(reason: String, ofPart: Bool = false)
}

/// What a source has learned; it takes effect as a whole.
public struct SourceUpdate: Sendable {
    /// How it is known that pods are gone.
    public enum Evidence: Hashable, Sendable {
        /// They are no longer named, and that is all.
        case none
        /// The source was told of each that it was deleted: a watch without gaps.
        case deletes
        /// Whoever reports has a guard of its own, and says that these are all.
        case vouched
    }

    /// One service's pods in the source's cluster.
    public struct ServicePods: Hashable, Sendable {
        /// All of them; empty if it has none.
        public var pods: [Pod]
        /// How it is known that others are gone.
        public var evidence: Evidence

        /// These pods and no others.
        public init(_ pods: [Pod], _ evidence: Evidence = .none) {
            self.pods = pods
            self.evidence = evidence
        }
    }

    /// Pods, by service.
    public enum Pods: Sendable {
        /// Of all services: one that is missing has no pods, for which there is no evidence.
        case all([ServiceName: ServicePods])
        /// Of those services whose pods changed.
        case changed([ServiceName: ServicePods])
    }

    /// Nil if this update is not about pods.
    public var pods: Pods?
    /// All of the cluster's gateways; nil if this update is not about them.
    public var gateways: [Gateway]?

    /// An update.
    public init(pods: Pods? = nil, gateways: [Gateway]? = nil) {
        self.pods = pods
        self.gateways = gateways
    }
}

extension SourceReport {
    /// All pods of all services.
    public static func pods(_ all: [ServiceName: [Pod]]) -> SourceReport {
        .update(SourceUpdate(pods: .all(all.mapValues { SourceUpdate.ServicePods($0) })))
    }

    /// All pods of those services whose pods changed.
    public static func changes(_ changed: [ServiceName: [Pod]], _ evidence: SourceUpdate.Evidence) -> SourceReport {
        .update(SourceUpdate(pods: .changed(changed.mapValues { SourceUpdate.ServicePods($0, evidence) })))
    }

    /// All gateways.
    public static func gateways(_ gateways: [Gateway]) -> SourceReport { .update(SourceUpdate(gateways: gateways)) }
}

/// Which source: a cluster, and where its pods or gateways are learned.
///
/// A source whose settings change is another one.
public struct SourceID: Hashable, Sendable {
    /// What is learned, and where.
    public enum Kind: Hashable, Sendable {
        /// Pods; from another Ballast, gateways too.
        case endpoints(EndpointsSettings)
        /// Gateways only.
        case gateways(KubernetesGateways)
    }

    /// Whose pods or gateways.
    public var cluster: ClusterName
    /// What is learned, and where.
    public var kind: Kind

    /// The source of a cluster's pods.
    public init(_ intent: ClusterIntent) {
        cluster = intent.name
        kind = .endpoints(intent.endpoints)
    }

    /// The source of a cluster's gateways; nil if it has none of its own.
    init?(gatewaysOf intent: ClusterIntent) {
        guard case .kubernetes(let settings) = intent.gateways else { return nil }
        cluster = intent.name
        kind = .gateways(settings)
    }

    /// All sources of a cluster.
    static func all(of intent: ClusterIntent) -> [SourceID] {
        [SourceID(intent)] + [SourceID(gatewaysOf: intent)].compactMap(\.self)
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
