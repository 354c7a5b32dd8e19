public import Model
import XXHash

/// Names of endpoints that change over time, so that clients open new connections.
public struct Renewal: Hashable, Sendable {
    /// Another one for each set of pods: replicas, and a process that starts anew, come to the same.
    public var generation: String
    /// The lanes' names.
    public var lanes: [String]
}

/// Follows which pods there are, and renews what leads to them when they changed.
///
/// For `reach: gateway` with `refresh`, and for lanes. A gateway that prefers idle pods gets more lanes; one that picks
/// pods in turn gets more of them too, and the old ones anew. Pods that go would need nothing, since
/// their connections end with them; but then what is served would depend on what was served before.
///
/// A value without a clock: whoever asks says what time it is.
public struct RenewalTracker: Sendable {
    /// How long new pods are left alone, so that their gateway hears of them before connections come for them.
    public static let delay = Duration.seconds(1)
    /// At most one renewal in this time, for each service and cluster: a rollout renews connections a few times, not
    /// once for each pod.
    public static let interval = Duration.seconds(5)
    /// The time between two steps of lanes.
    public static let step = Duration.milliseconds(250)
    /// The part of the lanes that is added or renewed in one step: a quarter.
    static let stepsPerRenewal = 4

    private struct Key: Hashable {
        var service: ServiceName
        var cluster: ClusterName
    }

    private var entries: [Key: RenewedPath] = [:]

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
            guard let lanes = cluster.renewedLanes else {
                entries[key] = nil
                continue
            }
            let active = mesh.pods[cluster.name]?.filter { $0.health == .healthy } ?? []
            let pods = Set(active.map(\.address))
            var path = entries[key] ?? RenewedPath(pods, lanes)
            next = [next, path.renew(for: pods, at: now), path.moveLanes(lanes, at: now)].compactMap(\.self).min()
            entries[key] = path
            renewals[cluster.name] = path.renewal
        }
        return (renewals, next)
    }

    /// Forgets all other services.
    public mutating func keep(_ services: Set<ServiceName>) {
        entries = entries.filter { services.contains($0.key.service) }
    }
}

/// How many lanes there should be to so many pods, and whether old ones are renewed.
private struct RenewedLanes {
    var count: @Sendable (_ pods: Int) -> Int
    var renewsOld: Bool
}

/// The way to one cluster's pods of one service.
///
///               pods went                    a pod came
///     settled ────────────> shrunk(since) ────────────> grown(since)
///        ^ │                     │                           ^ │
///        │ └─────────────────────┼────── a pod came ─────────┘ │
///        └───────────────────────┴─────────────────────────────┘
///           after `delay`, and `interval` after the last renewal of the same kind: a new generation
///
/// Pods that go don't make those that come wait: growth has a last renewal of its own.
private struct RenewedPath: Sendable {
    private enum Phase {
        /// The generation is that of the pods.
        case settled
        /// Pods went, and none came.
        case shrunk(since: ContinuousClock.Instant)
        /// Pods came; others may have gone.
        case grown(since: ContinuousClock.Instant)
    }

    private struct LastTimes {
        var growth: ContinuousClock.Instant?
        var shrinking: ContinuousClock.Instant?
        var laneStep: ContinuousClock.Instant?
    }

    private(set) var renewal: Renewal
    /// Those that lanes are counted for; without those that went since.
    private var pods: Set<SocketAddress>
    private var phase = Phase.settled
    private var last = LastTimes()

    init(_ pods: Set<SocketAddress>, _ lanes: RenewedLanes) {
        self.pods = pods
        renewal = Renewal(generation: Self.generation(of: pods), lanes: [])
        renewal.lanes = (0..<lanes.count(pods.count)).map { laneName($0, lanes) }
    }

    /// Starts a new generation if pods changed and it is time for one; otherwise says when it is.
    mutating func renew(for pods: Set<SocketAddress>, at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let hasNew = !pods.isSubset(of: self.pods)
        if Self.generation(of: pods) == renewal.generation {
            guard hasNew else {
                phase = .settled
                return nil
            }
            // Pods went and came back before this renewed anything; connections to them are gone all the same.
            renewal.generation = Self.generation(of: self.pods)
        }
        switch phase {
        case .settled: phase = hasNew ? .grown(since: now) : .shrunk(since: now)
        case .shrunk where hasNew: phase = .grown(since: now)
        case .shrunk, .grown: break
        }
        self.pods.formIntersection(pods)
        guard let due, now >= due else { return due }
        if case .grown = phase { last.growth = now } else { last.shrinking = now }
        self.pods = pods
        phase = .settled
        renewal.generation = Self.generation(of: pods)
        return nil
    }

    /// When the next generation may begin; nil while there is no reason for one.
    private var due: ContinuousClock.Instant? {
        let (since, previous) =
            switch phase {
            case .settled: (ContinuousClock.Instant?.none, ContinuousClock.Instant?.none)
            case .shrunk(let since): (since, last.shrinking)
            case .grown(let since): (since, last.growth)
            }
        guard let earliest = since.map({ $0 + RenewalTracker.delay }) else { return nil }
        return previous.map { max(earliest, $0 + RenewalTracker.interval) } ?? earliest
    }

    /// Takes the next few lanes to where they should be.
    mutating func moveLanes(_ lanes: RenewedLanes, at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let count = lanes.count(pods.count)
        renewal.lanes = Array(renewal.lanes.prefix(count))
        let wanted = (0..<count).map { laneName($0, lanes) }
        let moves = wanted.indices.filter { $0 >= renewal.lanes.count || renewal.lanes[$0] != wanted[$0] }
        guard !moves.isEmpty else { return nil }
        if let step = last.laneStep, now < step + RenewalTracker.step { return step + RenewalTracker.step }
        last.laneStep = now
        let batch = max(1, count / RenewalTracker.stepsPerRenewal)
        for lane in moves.prefix(batch) {
            if lane < renewal.lanes.count {
                renewal.lanes[lane] = wanted[lane]
            } else {
                renewal.lanes.append(wanted[lane])
            }
        }
        return moves.count > batch ? now + RenewalTracker.step : nil
    }

    private func laneName(_ index: Int, _ lanes: RenewedLanes) -> String {
        lanes.renewsOld ? "lane-\(index)-\(renewal.generation)" : "lane-\(index)"
    }

    private static func generation(of pods: Set<SocketAddress>) -> String {
        let hash = xxHash64(pods.sorted().map(\.description).joined(separator: " "))
        let digits = String(UInt32(truncatingIfNeeded: hash ^ hash >> 32), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension Cluster {
    /// Nil where nothing is renewed.
    fileprivate var renewedLanes: RenewedLanes? {
        let gateways = Set(gateways).count
        switch reach {
        case .gateway(refresh: true): return RenewedLanes(count: { _ in 0 }, renewsOld: true)
        case .lanes(let settings):
            return RenewedLanes(
                count: { settings.count(pods: $0, gateways: gateways) },
                renewsOld: settings.gatewayPolicy == .roundRobin)
        case .gateway, .pods, .connect: return nil
        }
    }
}
