public import Discovery
public import Events
public import Foundation
public import Intent
public import Model
public import Serving
public import Snapshots

/// The status of a control plane at one moment.
public struct Status: Sendable {
    /// Whether clients are served, because every source has synced.
    public var isReady: Bool
    /// The status of each source, ordered by cluster name; DNS names come last.
    public var sources: [SourceStatus]
    /// Pods that are served although their source no longer reports them.
    public var holds: [HoldStatus]
    /// Problems that don't prevent serving.
    public var problems: [Problem]
    /// The configuration in force.
    public var configuration: ConfigurationStatus
    /// The cluster of clients that don't name one.
    public var ownCluster: ClusterName
    /// The observed load of each view and service in the last window; services without reports are missing.
    public var observed: [ClientView: [ServiceName: ObservedLoad]]
}

/// The configuration in force, and the last newer one that was refused.
public struct ConfigurationStatus: Hashable, Sendable {
    /// A newer configuration that was refused.
    public struct Refusal: Hashable, Sendable {
        /// When it was read.
        public var time: Date
        /// Why it was refused.
        public var reason: String
    }

    /// A hash of the configuration file's text; Ballasts with the same configuration show the same version.
    public var version: String
    /// When the configuration was loaded.
    public var loaded: Date
    /// The last attempt to load another configuration, if it was refused.
    public var refusal: Refusal?
    /// Changed fields that take effect at the next start.
    public var pending: [String] = []
    /// Where each service's weights are written, by cluster.
    public var weightOrigins: [ServiceName: [ClusterName: FieldOrigin]] = [:]
}
