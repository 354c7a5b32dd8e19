/// Names that change over time so that clients open new connections.
public struct Renewal: Hashable, Sendable {
    /// Another one each time that pods are added, at a bounded rate.
    public var generation: String
    /// The generation of each lane; they follow a few at a time.
    public var lanes: [String]
}

/// Follows which pods there are, and renews what leads to them when some are added.
///
/// For `reach: gateway` with `refresh`, and for lanes to gateways that pick pods in turn. Where a gateway prefers idle
/// pods, added lanes are enough. Pods that go need nothing: their connections end with them.
///
/// A value without a clock: whoever asks says what time it is.
public struct RenewalTracker: Sendable {
    /// At most one generation in this time, for each service and cluster: a rollout renews connections a few times,
    /// not once for each pod.
    public static let interval = Duration.seconds(5)
    /// The time between two steps of lanes.
    public static let step = Duration.milliseconds(250)
    /// The part of the lanes that is renewed in one step: a quarter.
    static let stepsPerRenewal = 4

    private struct Key: Hashable {
        var service: ServiceName
        var cluster: ClusterName
    }

    fileprivate struct Entry {
        var pods: Set<SocketAddress>
        var renewal: Renewal
        var renewedAt: ContinuousClock.Instant?
        var steppedAt: ContinuousClock.Instant?
    }

    private var entries: [Key: Entry] = [:]

    /// Knows nothing yet.
    public init() {}

    /// The renewals in force, by cluster, and when to ask again even if nothing changes.
    public mutating func update(
        _ service: ServiceName, in mesh: Mesh, at now: ContinuousClock.Instant
    ) -> (renewals: [ClusterName: Renewal], next: ContinuousClock.Instant?) {
        var renewals: [ClusterName: Renewal] = [:]
        var next: ContinuousClock.Instant?
        for cluster in mesh.clusters {
            let key = Key(service: service, cluster: cluster.name)
            let active = mesh.pods[cluster.name]?[service]?.filter { $0.health == .healthy } ?? []
            guard let lanes = cluster.reach.renewedLanes(pods: active.count, gateways: Set(cluster.gateways).count)
            else {
                entries[key] = nil
                continue
            }
            let pods = Set(active.map(\.address))
            var entry =
                entries[key]
                ?? Entry(pods: pods, renewal: Renewal(generation: Self.generation(after: "", pods), lanes: []))
            next = Self.earliest(next, entry.update(pods, at: now))
            next = Self.earliest(next, entry.renewLanes(count: lanes, at: now))
            entries[key] = entry
            renewals[cluster.name] = entry.renewal
        }
        return (renewals, next)
    }

    /// Forgets all other services.
    public mutating func keep(_ services: Set<ServiceName>) {
        entries = entries.filter { services.contains($0.key.service) }
    }

    private static func earliest(
        _ left: ContinuousClock.Instant?, _ right: ContinuousClock.Instant?
    ) -> ContinuousClock.Instant? { [left, right].compactMap(\.self).min() }

    /// Of the content, so that a restart and a replica start with the same one; and of the one before, so that it
    /// doesn't come back when pods go and return.
    fileprivate static func generation(after last: String, _ pods: Set<SocketAddress>) -> String {
        let hash = fnv1a(([last] + pods.sorted().map(\.description)).joined(separator: " "))
        let digits = String(UInt32(truncatingIfNeeded: hash ^ hash >> 32), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension RenewalTracker.Entry {
    /// Starts a new generation where pods were added, if it is time for one; else says when it is.
    fileprivate mutating func update(
        _ pods: Set<SocketAddress>, at now: ContinuousClock.Instant
    ) -> ContinuousClock.Instant? {
        guard !pods.isSubset(of: self.pods) else {
            self.pods = pods
            return nil
        }
        if let renewedAt, now < renewedAt + RenewalTracker.interval { return renewedAt + RenewalTracker.interval }
        self.pods = pods
        renewedAt = now
        renewal.generation = RenewalTracker.generation(after: renewal.generation, pods)
        return nil
    }

    /// Has this many lanes, and renews the next few of those that are of an older generation.
    fileprivate mutating func renewLanes(count: Int, at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        renewal.lanes = Array(renewal.lanes.prefix(count))
        renewal.lanes += Array(repeating: renewal.generation, count: count - renewal.lanes.count)
        let old = renewal.lanes.indices.filter { renewal.lanes[$0] != renewal.generation }
        guard !old.isEmpty else { return nil }
        if let steppedAt, now < steppedAt + RenewalTracker.step { return steppedAt + RenewalTracker.step }
        steppedAt = now
        let batch = max(1, count / RenewalTracker.stepsPerRenewal)
        for lane in old.prefix(batch) { renewal.lanes[lane] = renewal.generation }
        return old.count > batch ? now + RenewalTracker.step : nil
    }
}

extension Reach {
    /// How many lanes are renewed; nil where nothing is.
    fileprivate func renewedLanes(pods: Int, gateways: Int) -> Int? {
        switch self {
        case .gateway(refresh: true): 0
        case .lanes(let settings) where settings.gatewayPolicy == .roundRobin: settings.count(pods: pods) * gateways
        case .gateway, .lanes, .pods, .connect: nil
        }
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every run.
func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}
