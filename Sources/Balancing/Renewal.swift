public import Model
import XXHash

/// Endpoint identities that change over time, so that clients open new connections.
public struct Renewal: Hashable, Sendable {
    /// A hash of the set of pods, so that replicas and restarted processes use the same one.
    public var generation: String
    /// The names of the lanes.
    public var lanes: [String]
}

/// Tracks the pods behind each path, and renews the path's identities when pods change.
///
/// For `reach: gateway` with `refresh`, and for lanes. If the gateway prefers idle pods, lanes are added. If it picks
/// pods in turn, lanes are added and the old ones are renamed. Removed pods alone would need no renewal, because their
/// connections end with them; but then the served state would depend on the state before.
///
/// A value without a clock: the caller passes the time.
public struct RenewalTracker: Sendable {
    /// The delay before new pods cause a renewal, so that their gateway knows them before connections arrive.
    public static let delay = Duration.seconds(1)
    /// The minimum time between two renewals of the same kind (pods added, or only removed), for each service and
    /// cluster; a rollout then renews connections a few times instead of once for each pod.
    public static let interval = Duration.seconds(5)
    /// The time between two steps of adding or renewing lanes.
    public static let step = Duration.milliseconds(250)
    /// The number of steps in which lanes are added or renewed: a quarter in each.
    static let stepsPerRenewal = 4

    private struct Key: Hashable {
        var service: ServiceName
        var cluster: ClusterName
    }

    private var entries: [Key: RenewedPath] = [:]

    /// Creates an empty tracker.
    public init() {}

    /// Returns the renewals in force by cluster, and when to call again even if nothing changes.
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

    /// Removes all other services.
    public mutating func keep(_ services: Set<ServiceName>) {
        entries = entries.filter { services.contains($0.key.service) }
    }
}

/// The number of lanes for a number of pods, and whether old lanes are renewed.
private struct RenewedLanes {
    var count: @Sendable (_ pods: Int) -> Int
    var renewsOld: Bool
}

/// The path to one cluster's pods of one service.
///
///               pods removed                  pods added
///     settled ────────────> shrunk(since) ────────────> grown(since)
///        ^ │                     │                           ^ │
///        │ └─────────────────────┼────── pods added ─────────┘ │
///        └───────────────────────┴─────────────────────────────┘
///           after `delay`, and `interval` after the last renewal of the same kind: a new generation
///
/// A removal doesn't delay an addition: each kind has its own last renewal.
private struct RenewedPath: Sendable {
    private enum Phase {
        /// The generation matches the pods.
        case settled
        /// Pods were removed, and none added.
        case shrunk(since: ContinuousClock.Instant)
        /// Pods were added; others may have been removed.
        case grown(since: ContinuousClock.Instant)
    }

    private struct LastTimes {
        var growth: ContinuousClock.Instant?
        var shrinking: ContinuousClock.Instant?
        var laneStep: ContinuousClock.Instant?
    }

    private(set) var renewal: Renewal
    /// The pods of the last renewal, without those removed since.
    private var pods: Set<SocketAddress>
    private var phase = Phase.settled
    private var last = LastTimes()

    init(_ pods: Set<SocketAddress>, _ lanes: RenewedLanes) {
        self.pods = pods
        renewal = Renewal(generation: Self.generation(of: pods), lanes: [])
        renewal.lanes = (0..<lanes.count(pods.count)).map { laneName($0, lanes) }
    }

    /// Starts a new generation if pods changed and it is due; otherwise returns when it will be due.
    mutating func renew(for pods: Set<SocketAddress>, at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let hasNew = !pods.isSubset(of: self.pods)
        if Self.generation(of: pods) == renewal.generation {
            guard hasNew else {
                phase = .settled
                return nil
            }
            // Pods went and came back before a renewal; their connections are lost nevertheless.
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

    /// When the next generation may start; nil if none is needed.
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

    /// Adds or renews the next few lanes, and returns when the next step is due; nil when all lanes are up to date.
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
    /// How this cluster's path is renewed; nil if it isn't.
    fileprivate var renewedLanes: RenewedLanes? {
        let gateways = Set(gateways).count
        switch reach {
        case .gateway(refresh: true): return RenewedLanes(count: { _ in 0 }, renewsOld: true)
        case .lanes(let settings):
            return RenewedLanes(
                count: { settings.count(pods: $0, gateways: gateways) },
                renewsOld: settings.gatewayPolicy == .roundRobin)
        case .gateway, .pods, .connect, .hbone: return nil
        }
    }
}
