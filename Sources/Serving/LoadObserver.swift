import Balancing
import EnvoyAPI
public import Model
public import Snapshots
import Synchronization
import XDS

/// Collects load reports over a time window, by view, since each view has its own intended shares.
///
/// Clients are not trusted. Only services, clusters and pods of their view are counted, so reports can't fill the
/// memory, and sums saturate instead of overflowing.
public final class LoadObserver: Sendable {
    /// The length of the observation window.
    static let window = Duration.seconds(30)
    /// The part of the window that expires at once.
    private static let bucket = Duration.seconds(2)

    private struct Key: Hashable {
        var view: ClientView
        var service: ServiceName
    }

    private struct Bucket {
        var start: ContinuousClock.Instant
        var tallies: [ObservedTarget: Tally]
        var reports: Int
        /// The failed requests that each node reported.
        var errors: [String: UInt64]
    }

    private let buckets = Mutex<[Key: [Bucket]]>([:])
    /// The target of each endpoint; cached while the assignment stays the same, since each has many reports.
    private let targets = Mutex<[Key: (assignment: Assignment, targets: KnownTargets)]>([:])

    /// The maximum number of nodes whose errors are told apart.
    private static let maxReporters = 32

    /// Adds a report; targets that the view doesn't have are ignored.
    ///
    /// - Parameter node: the node ID of the client.
    func record(
        _ report: LoadReport, from node: String, of view: ClientView, in content: Snapshot.View,
        at now: ContinuousClock.Instant
    ) {
        for cluster in report.clusters {
            guard let service = content.service(serving: ResourceName(rawValue: cluster.name)) else { continue }
            let key = Key(view: view, service: service.service.name)
            let targets = targets(of: service.assignment, key)
            var tallies: [ObservedTarget: Tally] = [:]
            for locality in cluster.localities {
                targets.forEach(in: locality) { target, load in
                    tallies[target, default: Tally()].add(load, over: cluster.interval)
                }
            }
            guard !tallies.isEmpty || cluster.dropped > 0 else { continue }
            tallies[.service, default: Tally()].drop(cluster.dropped)
            add(tallies, from: node, to: key, at: now)
        }
    }

    private func targets(of assignment: Assignment, _ key: Key) -> KnownTargets {
        targets.withLock { known in
            if let last = known[key], last.assignment == assignment { return last.targets }
            let targets = KnownTargets(assignment)
            known[key] = (assignment, targets)
            return targets
        }
    }

    /// The observations of each view and service; services without reports are missing.
    ///
    /// - Parameter since: only reports that came after this time; all of the last 30 seconds by default.
    public func observations(
        at now: ContinuousClock.Instant, since: ContinuousClock.Instant? = nil
    ) -> [ClientView: [ServiceName: ObservedLoad]] {
        buckets.withLock { buckets in
            buckets = buckets.compactMapValues { $0.filter { now < $0.start + Self.window } }.filter {
                !$0.value.isEmpty
            }
            var observations: [ClientView: [ServiceName: ObservedLoad]] = [:]
            for (key, buckets) in buckets {
                var load = ObservedLoad(window: since.map { min(now - $0, Self.window) } ?? Self.window)
                for bucket in buckets where since.map({ bucket.start >= $0 }) ?? true {
                    load.reports += bucket.reports
                    load.targets.merge(bucket.tallies) { $0 + $1 }
                    load.errors.merge(bucket.errors) { $0 &+ $1 }
                }
                observations[key.view, default: [:]][key.service] = load
            }
            return observations
        }
    }

    private func add(
        _ tallies: [ObservedTarget: Tally], from node: String, to key: Key, at now: ContinuousClock.Instant
    ) {
        buckets.withLock { buckets in
            var list = buckets[key] ?? []
            list.removeAll { now >= $0.start + Self.window }
            if list.last.map({ now >= $0.start + Self.bucket }) ?? true {
                list.append(Bucket(start: now, tallies: [:], reports: 0, errors: [:]))
            }
            let last = list.count - 1
            list[last].tallies.merge(tallies) { $0 + $1 }
            list[last].reports += 1
            let errors = tallies[.service]?.errors ?? 0
            if errors > 0, list[last].errors[node] != nil || list[last].errors.count < Self.maxReporters {
                list[last].errors[node, default: 0] &+= errors
            }
            buckets[key] = list
        }
    }
}

/// The cluster and pod of each endpoint and locality of an assignment, computed once for many reports.
private struct KnownTargets {
    private let origins: [Assignment.Endpoint.Address: Assignment.Origin]
    private var clusters: [Locality: Set<ClusterName>] = [:]

    init(_ assignment: Assignment) {
        origins = assignment.origins
        for entry in assignment.localities {
            let found = Set(entry.endpoints.compactMap { [origins] in origins[$0.address]?.cluster })
            clusters[entry.locality, default: []].formUnion(found)
        }
    }

    /// Calls `body` with each target of a locality's requests: the service, the locality if the assignment has it, and
    /// the clusters and pods that can be determined.
    func forEach(in report: LoadReport.LocalityLoad, _ body: (ObservedTarget, LoadReport.Load) -> Void) {
        body(.service, report.load)
        guard let clusters = clusters[report.locality] else { return }
        body(.locality(report.locality), report.load)
        if clusters.count == 1, let cluster = clusters.first { body(.cluster(cluster), report.load) }
        for (address, load) in report.endpoints {
            guard let origin = origins[address] else { continue }
            if clusters.count > 1 { body(.cluster(origin.cluster), load) }
            if let pod = origin.pod {
                body(.pod(origin.cluster, pod), load)
            } else if case .socket(let gateway) = address {
                body(.gateway(origin.cluster, gateway), load)
            }
        }
    }
}
