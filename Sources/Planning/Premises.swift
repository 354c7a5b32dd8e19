public import Foundation
public import Model
public import Overrides
public import Serving
public import Snapshots

/// Everything that a plan is computed from, at one moment.
public struct Premises: Sendable {
    /// What is in force; what it builds here is not published.
    public var builder: SnapshotBuilder
    /// All overrides.
    public var book: OverrideBook
    /// The time.
    public var now: Date
    /// What clients reported about each service in the last 30 seconds.
    public var observed: [ServiceName: ObservedLoad] = [:]
    /// By cluster, the most requests per second that a pod has carried well.
    public var proved: @Sendable (ServiceName) -> [ClusterName: Double] = { _ in [:] }
    /// Which clients have the service; for a spec of all services, of the first ones.
    public var deliveries: [ServiceName: [Delivery]] = [:]
    /// The clusters of which the service has held pods.
    public var held: Set<ClusterName> = []
    /// The clusters whose sources are stale.
    public var stale: Set<ClusterName> = []
    /// The rules of the configuration.
    public var rules: [SafetyRule] = []
    /// The longest time from start to end.
    public var longest = OverrideSpec.longest
    /// What is assumed to be down.
    public var losses: [Loss] = []
    /// The requests per second to compute with; nil for the observed ones.
    public var rps: Double?

    /// Creates premises.
    public init(builder: SnapshotBuilder, book: OverrideBook, now: Date) {
        self.builder = builder
        self.book = book
        self.now = now
    }
}

extension Loss {
    /// Parses `west` (a cluster), `west/w1` (a pod), `zone:west/a` or `gateway:west/10.0.0.1:15443`; nil for another text.
    public init?(_ text: String) {
        let (kind, name): (String, Substring) =
            if text.hasPrefix("zone:") { ("zone", text.dropFirst(5)) } else if text.hasPrefix("gateway:") {
                ("gateway", text.dropFirst(8))
            } else { ("", text[...]) }
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard !parts[0].isEmpty, parts.count == 1 || !parts[1].isEmpty else { return nil }
        let cluster = ClusterName(rawValue: parts[0])
        switch (kind, parts.count) {
        case ("", 1): self = .cluster(cluster)
        case ("", _): self = .pod(cluster, parts[1])
        case ("zone", 2): self = .zone(cluster, parts[1])
        case ("gateway", 2):
            guard let address = SocketAddress(parts[1]) else { return nil }
            self = .gateway(cluster, address)
        default: return nil
        }
    }
}
