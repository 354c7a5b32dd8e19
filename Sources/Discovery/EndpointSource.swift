public import Intent
public import Model

/// A source of one cluster's pods, gateways, or both.
public protocol EndpointSource: Sendable {
    /// Reports the whole state first, then changes, until the task is cancelled.
    func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async

    /// The origins of a service's pods by pod name, as far as the source knows them.
    func origins(of service: ServiceName) async -> [String: PodOrigin]
}

extension EndpointSource {
    /// By default, no origins are known.
    public func origins(of service: ServiceName) async -> [String: PodOrigin] { [:] }
}

/// Where a pod is declared.
public struct PodOrigin: Hashable, Sendable {
    /// For example `EndpointSlice httpbin/httpbin-x7k2p`, or a file's path.
    public var object: String
    /// The object's version, for example Kubernetes' `resourceVersion`; nil if it has none.
    public var version: String?
    /// The line in a file, counted from 1.
    public var line: Int?

    /// Creates an origin.
    public init(object: String, version: String? = nil, line: Int? = nil) {
        self.object = object
        self.version = version
        self.line = line
    }
}

/// A report from a source to the registry.
public enum SourceReport: Sendable {
    /// New state.
    case update(SourceUpdate)
    /// The last reported state is still current.
    case confirmed
    /// Input that the source had to leave out although the rest is fine, one sentence each.
    case problems([String])
    /// The source can't read its input at the moment; the last reported state stays in force.
    ///
    /// If only a part of the source fails (`ofPart`), the other parts still send updates. The source then stays stale
    /// until it reports `confirmed`.
    case failure(reason: String, ofPart: Bool = false)
}

/// New state from a source, applied as a whole.
public struct SourceUpdate: Sendable {
    /// The evidence that missing pods are gone.
    public enum Evidence: Hashable, Sendable {
        /// None: the pods are only missing from the list.
        case none
        /// Each missing pod was deleted, as seen by a watch without gaps.
        case deletes
        /// The sender has a shrink guard of its own and vouches that the list is complete.
        case vouched
    }

    /// One service's pods in the source's cluster.
    public struct ServicePods: Hashable, Sendable {
        /// All of the service's pods; empty if it has none.
        public var pods: [Pod]
        /// The evidence that pods missing from `pods` are gone.
        public var evidence: Evidence

        /// Creates the complete list of a service's pods.
        public init(_ pods: [Pod], _ evidence: Evidence = .none) {
            self.pods = pods
            self.evidence = evidence
        }
    }

    /// Pods by service.
    public enum Pods: Sendable {
        /// The pods of all services.
        ///
        /// A service that is missing has no pods, without evidence.
        case all([ServiceName: ServicePods])
        /// The pods of the services that changed.
        case changed([ServiceName: ServicePods])
    }

    /// Nil if the update is not about pods.
    public var pods: Pods?
    /// All of the cluster's gateways; nil if the update is not about gateways.
    public var gateways: [Gateway]?

    /// Creates an update.
    public init(pods: Pods? = nil, gateways: [Gateway]? = nil) {
        self.pods = pods
        self.gateways = gateways
    }
}

extension SourceReport {
    /// An update with all pods of all services.
    public static func pods(_ all: [ServiceName: [Pod]]) -> SourceReport {
        .update(SourceUpdate(pods: .all(all.mapValues { SourceUpdate.ServicePods($0) })))
    }

    /// An update with all pods of the services that changed.
    public static func changes(_ changed: [ServiceName: [Pod]], _ evidence: SourceUpdate.Evidence) -> SourceReport {
        .update(SourceUpdate(pods: .changed(changed.mapValues { SourceUpdate.ServicePods($0, evidence) })))
    }

    /// An update with all gateways.
    public static func gateways(_ gateways: [Gateway]) -> SourceReport { .update(SourceUpdate(gateways: gateways)) }
}

/// Identifies a source by its cluster and its settings.
///
/// A source with other settings is another source.
public struct SourceID: Hashable, Sendable {
    /// What the source reads, and where from.
    public enum Kind: Hashable, Sendable {
        /// Pods; from another Ballast, gateways as well.
        case endpoints(EndpointsSettings)
        /// Gateways only.
        case gateways(KubernetesGateways)
    }

    /// The cluster whose pods or gateways the source reads.
    public var cluster: ClusterName
    /// What the source reads, and where from.
    public var kind: Kind

    /// Identifies the source of a cluster's pods.
    public init(_ intent: ClusterIntent) {
        cluster = intent.name
        kind = .endpoints(intent.endpoints)
    }

    /// Identifies the source of a cluster's gateways; nil if the cluster has no separate one.
    init?(gatewaysOf intent: ClusterIntent) {
        guard case .kubernetes(let settings) = intent.gateways else { return nil }
        cluster = intent.name
        kind = .gateways(settings)
    }

    static func all(of intent: ClusterIntent) -> [SourceID] {
        [SourceID(intent)] + [SourceID(gatewaysOf: intent)].compactMap(\.self)
    }

    /// A readable form, for example `file /etc/ballast/east.yaml`.
    public var description: String {
        switch kind {
        case .endpoints(.file(let path)): "file \(path)"
        case .endpoints(.directory(let path)): "directory \(path)"
        case .endpoints(.kubernetes(let settings)): "kubernetes \(settings.access.description)"
        case .endpoints(.ballast(let peer)): "ballast \(peer.address)"
        case .gateways(let settings): "kubernetes \(settings.access.description), gateways \(settings.labelSelector)"
        }
    }
}
