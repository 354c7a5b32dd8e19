public import Balancing
public import MeshConfiguration

/// Learns one cluster's pods from somewhere.
public protocol EndpointSource: Sendable {
    /// Tells what it learns until it is cancelled: first the cluster's whole state, then what changes.
    func run(_ report: @Sendable (SourceReport) async -> Void) async
}

/// What a source tells.
public enum SourceReport: Sendable {
    /// All of the cluster's pods, by service.
    case pods([ServiceName: [Pod]])
    /// All pods of those services of which something changed since the last report; none where a service has none.
    case changes([ServiceName: [Pod]])
    /// It can't tell at the moment.
    ///
    /// What it told last stays in force.
    case failure(reason: String)
}

/// Which source: a cluster, and where its pods are learned.
///
/// A source whose settings change is another one.
public struct SourceID: Hashable, Sendable {
    /// Whose pods.
    public var cluster: ClusterName
    /// Where they are learned.
    public var endpoints: Configuration.Endpoints

    /// A source of a configuration.
    public init(_ source: Configuration.ClusterSource) {
        cluster = source.cluster.name
        endpoints = source.endpoints
    }

    /// For people: `file /etc/ballast/east.yaml`.
    public var description: String {
        switch endpoints {
        case .file(let path): "file \(path)"
        }
    }
}

/// How a source is doing.
public struct SourceStatus: Hashable, Sendable {
    /// Which.
    public var source: SourceID
    /// Whether it has delivered its first whole state.
    public var isSynced: Bool
    /// Why its last good state may be out of date; nil while all is well.
    public var staleReason: String?
    /// How many pods it knows, of all services.
    public var podCount: Int
}
