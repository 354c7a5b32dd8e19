public import Foundation
public import Model

/// Why pods are served that their source no longer names.
public struct HoldStatus: Hashable, Sendable {
    /// Whose pods.
    public var cluster: ClusterName
    /// Of which service.
    public var service: ServiceName
    /// The pods that are held, by name.
    public var pods: [String]
    /// Why.
    public var reason: String
    /// Since when.
    public var since: Date
    /// When the last of them go.
    public var until: Date
    /// When some of them go; nil if all go at `until`.
    public var nextStep: Date?
}

/// That a hold began, or ended.
public struct HoldChange: Hashable, Sendable {
    /// What happened.
    public enum Event: Hashable, Sendable {
        /// Pods are held now that were not before.
        case began(HoldStatus)
        /// These pods are held no longer.
        case ended(pods: [String], End)
    }

    /// Why a hold ended.
    public enum End: Hashable, Sendable {
        /// The source names enough pods again, or has evidence that the others are gone.
        case settled
        /// Its time was over.
        case expired
        /// It was released.
        case released
        /// Clients report that requests to the held pods fail.
        case failing
    }

    /// Whose pods.
    public var cluster: ClusterName
    /// Of which service.
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

/// How to end a hold by hand.
public struct HoldAdvice: Hashable, Sendable {
    /// What `ballast release` needs to find this Ballast's admin API, such as ` --admin http://127.0.0.1:1`.
    public var options: String

    /// Advice with these options.
    public init(options: String = "") { self.options = options }
}
