public import Foundation
public import MeshConfiguration
public import Model

/// A hold: pods that are served although their source no longer lists them.
public struct HoldStatus: Hashable, Sendable {
    /// The cluster of the pods.
    public var cluster: ClusterName
    /// The service of the pods.
    public var service: ServiceName
    /// The names of the held pods.
    public var pods: [String]
    /// Why the pods are held.
    public var reason: String
    /// When the hold began.
    public var since: Date
    /// When the last held pods are released.
    public var until: Date
    /// When the next held pods are released; nil if all are released at `until`.
    public var nextStep: Date?
}

/// The start or end of a hold.
public struct HoldChange: Hashable, Sendable {
    /// What happened.
    public enum Event: Hashable, Sendable {
        /// Pods are held that were not held before.
        case began(HoldStatus)
        /// These pods are no longer held.
        case ended(pods: [String], End)
    }

    /// Why a hold ended.
    public enum End: Hashable, Sendable {
        /// The source lists enough pods again, or has evidence that the others are gone.
        case settled
        /// The hold reached its time limit.
        case expired
        /// A user released it.
        case released
        /// Clients report that requests to the held pods fail.
        case failing
    }

    /// The cluster of the pods.
    public var cluster: ClusterName
    /// The service of the pods.
    public var service: ServiceName
    /// What happened.
    public var event: Event
}

extension HoldStatus {
    init(
        _ hold: ShrinkRecord.Hold, of service: ServiceName, in cluster: ClusterName, advice: String,
        at moment: (now: ContinuousClock.Instant, date: Date)
    ) {
        let date = { moment.date.addingTimeInterval(($0 - moment.now) / .seconds(1)) }
        self.init(
            cluster: cluster, service: service, pods: hold.held.sorted(),
            reason: "\(hold.reason); \(advice)",
            since: date(hold.since), until: date(hold.until), nextStep: hold.nextStep.map(date))
    }
}

/// The advice on how to end a hold manually.
public struct HoldAdvice: Hashable, Sendable {
    /// Options of `ballast release` for this Ballast's admin API, such as ` --admin http://127.0.0.1:1`.
    public var options: String

    /// Creates advice with these options.
    public init(options: String = "") { self.options = options }
}

extension HoldAdvice {
    /// The options for `ballast release` with these settings.
    public init(_ admin: Configuration.AdminServer) {
        var options = ""
        if admin.listen.description != "127.0.0.1:18080" { options += " --admin http://\(admin.listen)" }
        if let file = admin.tokenFile { options += " --token-file \(file)" }
        self.init(options: options)
    }
}
