public import Discovery
public import Foundation
public import Intent
public import Model
public import Serving
public import Snapshots

/// What a control plane is doing, as a value to look at.
public struct Status: Sendable {
    /// Whether it serves: every source has delivered once.
    public var isReady: Bool
    /// How each source is doing, in the order of the clusters' names; names in DNS come last.
    public var sources: [SourceStatus]
    /// Pods that are served though their source no longer names them.
    public var holds: [HoldStatus]
    /// What is wrong though everything is served.
    public var problems: [Problem]
    /// Which configuration is in force.
    public var configuration: ConfigurationStatus
    /// The cluster of clients that don't name one.
    public var ownCluster: ClusterName
    /// What clients of each view reported that they sent where lately; services without reports have no entry.
    public var observed: [ClientView: [ServiceName: ObservedLoad]]
}

/// Which configuration is in force, and whether there is a newer one that can't be used.
public struct ConfigurationStatus: Hashable, Sendable {
    /// A newer configuration that was refused.
    public struct Refusal: Hashable, Sendable {
        /// When it was read.
        public var time: Date
        /// What is wrong with it.
        public var reason: String
    }

    /// A hash of the text: of two Ballasts, the same means the same configuration.
    public var version: String
    /// When it was put in force.
    public var loaded: Date
    /// The last attempt to load another, if that failed.
    public var refusal: Refusal?
    /// Fields that were changed, and take effect at the next start.
    public var pending: [String] = []
    /// Where each of a service's weights is written.
    public var weightOrigins: [ServiceName: [ClusterName: FieldOrigin]] = [:]
}
