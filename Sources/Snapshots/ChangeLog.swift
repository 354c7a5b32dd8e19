import Balancing
public import Model
import Overrides

/// Describes in the log what publications change: `orders in eu: +w4, w2 weight 1→2, −w3; shares eu 60→67 %`.
///
/// The first change after a quiet period is described at once. Later changes are summed up every `interval`, in one
/// line for each service. Beyond a maximum, services and pods are only counted.
public struct ChangeLog {
    /// The minimum time between two descriptions.
    static let interval = Duration.seconds(10)
    /// The maximum number of services described at once; the others are counted.
    private static let maxServices = 10
    /// The maximum number of pods named for each service and cluster; the others are counted.
    private static let maxPods = 5

    /// A service and everything that its shares depend on.
    public struct Facts {
        /// Nil if the service is not served.
        var service: Service?
        var clusters: [Cluster]
        /// The cluster whose clients' shares are described.
        var client: ClusterName
        var pods: [ClusterName: [Pod]]
        var tuning = Tuning.none

        /// Whether service, clusters, pods and overrides are equal.
        public func isSame(as other: Facts) -> Bool {
            service == other.service && clusters == other.clusters && pods == other.pods && tuning == other.tuning
        }

        fileprivate var shares: [ClusterName: Double] {
            guard let service else { return [:] }
            let mesh = Mesh(clusters: clusters, pods: pods)
            return Dictionary(
                mesh.assign(service, from: client, for: .plain, tuning: tuning).shares.map { ($0.cluster, $0.share) },
                uniquingKeysWith: { first, _ in first })
        }
    }

    /// Creates an empty log.
    public init() {}

    /// The facts of each changed service at the last description.
    private var before: [ServiceName: Facts] = [:]
    /// The number of changes to further services; a service may count twice.
    private var further = 0
    private var lastTold: ContinuousClock.Instant?

    /// When `drain` should be called next; nil if nothing changed.
    public var next: ContinuousClock.Instant? {
        before.isEmpty ? nil : lastTold.map { $0 + Self.interval } ?? .now
    }

    /// Notes that a service changed.
    ///
    /// - Parameter facts: the facts before the change.
    public mutating func note(_ name: ServiceName, before facts: Facts) {
        guard before[name] == nil else { return }
        if before.count < Self.maxServices { before[name] = facts } else { further += 1 }
    }

    /// Returns the lines that are due, and forgets the changes that they describe.
    public mutating func drain(at now: ContinuousClock.Instant, _ facts: (ServiceName) -> Facts) -> [String] {
        guard !before.isEmpty, lastTold.map({ $0 + Self.interval <= now }) ?? true else { return [] }
        var lines = before.sorted { $0.key < $1.key }.compactMap { Self.line($0.key, $0.value, facts($0.key)) }
        if further > 0 { lines.append("and \(further) further changes of services") }
        (before, further) = ([:], 0)
        if !lines.isEmpty { lastTold = now }
        return lines
    }

    /// The line that describes a service's change; nil if nothing visible changed.
    static func line(_ name: ServiceName, _ before: Facts, _ after: Facts) -> String? {
        let clusters = Set(before.pods.keys).union(after.pods.keys).sorted()
        let parts = clusters.compactMap { cluster -> String? in
            let changes = changes(from: before.pods[cluster] ?? [], to: after.pods[cluster] ?? [])
            return changes.isEmpty ? nil : "in \(cluster): \(changes.listed(most: maxPods))"
        }
        let shares = shares(from: before.shares, to: after.shares)
        guard !parts.isEmpty || !shares.isEmpty else { return nil }
        let what = parts.isEmpty ? ": " : " \(parts.joined(separator: "; "))\(shares.isEmpty ? "" : "; ")"
        return "\(name)\(what)\(shares.isEmpty ? "" : "shares \(shares.joined(separator: ", "))")"
    }

    private static func changes(from before: [Pod], to after: [Pod]) -> [String] {
        let last = Dictionary(before.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let now = Dictionary(after.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return Set(last.keys).union(now.keys).sorted().compactMap { name in
            switch (last[name], now[name]) {
            case (nil, nil): return nil
            case (nil, _?): return "+\(name)"
            case (_?, nil): return "−\(name)"
            case (let was?, let pod?):
                var facts: [String] = []
                if was.health != pod.health { facts.append("\(was.health.rawValue)→\(pod.health.rawValue)") }
                if was.weight != pod.weight { facts.append("weight \(was.weight.value)→\(pod.weight.value)") }
                if was.address != pod.address { facts.append("\(was.address)→\(pod.address)") }
                if was.zone != pod.zone { facts.append("zone \(was.zone ?? "none")→\(pod.zone ?? "none")") }
                return facts.isEmpty ? nil : "\(name) \(facts.joined(separator: " "))"
            }
        }
    }

    private static func shares(from before: [ClusterName: Double], to after: [ClusterName: Double]) -> [String] {
        Set(before.keys).union(after.keys).sorted().compactMap { cluster in
            let (was, now) = (100 * (before[cluster] ?? 0), 100 * (after[cluster] ?? 0))
            guard abs(was - now) >= 0.05 else { return nil }
            let digits = abs(was - now) < 1 ? 1 : 0
            return "\(cluster) \(decimal(was, digits))→\(decimal(now, digits)) %"
        }
    }

    private static func decimal(_ value: Double, _ digits: Int) -> String {
        guard digits > 0 else { return "\(Int(value.rounded()))" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
