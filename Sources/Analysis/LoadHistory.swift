public import Foundation
public import Model
public import Overrides
public import Serving
import Synchronization

/// What clients reported about each service in the last hour, and the most that a pod has carried well in the last day.
public final class LoadHistory: Sendable {
    /// What clients reported in one interval.
    public struct Point: Hashable, Sendable {
        /// The end of the interval.
        public var time: Date
        /// The intended share of each cluster then, 0 to 1.
        public var intended: [ClusterName: Double]
        /// What was reported about the service.
        public var service: Numbers
        /// What was reported about each cluster.
        public var clusters: [ClusterName: Numbers]
    }

    /// The sums of an interval.
    public struct Numbers: Hashable, Sendable {
        /// Requests started.
        public var issued: UInt64 = 0
        /// Requests completed.
        public var ended: UInt64 = 0
        /// Requests failed.
        public var errors: UInt64 = 0
        /// The mean latency in seconds; nil if unknown.
        public var latency: Double?

        init(_ tally: Tally?) {
            guard let tally else { return }
            (issued, ended, errors, latency) = (tally.issued, tally.ended, tally.errors, tally.latency)
        }

        var evidence: Evidence { Evidence(errors: ErrorRate(errors: errors, of: ended), latency: latency) }
    }

    /// The length of an interval.
    public static let interval: TimeInterval = 10
    /// The number of intervals kept.
    static let maxPoints = 360
    /// The maximum number of services.
    static let maxServices = 1_000
    /// The maximum number of clusters of a service.
    static let maxClusters = 16

    fileprivate struct Entry {
        var points: [Point] = []
        /// By cluster, the most requests per second that a pod carried over 30 seconds with under 1 % errors, by hour.
        var proved: [ClusterName: [(hour: Int, rate: Double)]] = [:]
    }

    private let entries = Mutex<[ServiceName: Entry]>([:])

    /// Creates an empty history.
    public init() {}

    /// Adds the last interval, and what pods have carried in the last 30 seconds.
    ///
    /// - Parameters:
    ///   - last: the observations of the interval.
    ///   - window: the observations of the last 30 seconds.
    ///   - intended: the intended shares and the number of pods that take traffic, by cluster.
    public func add(
        at now: Date, last: [ServiceName: ObservedLoad], window: [ServiceName: ObservedLoad],
        intended: (ServiceName) -> [ClusterName: (share: Double, pods: Int)]
    ) {
        for (service, load) in last {
            let shares = intended(service)
            let names = shares.keys.sorted().prefix(Self.maxClusters)
            let point = Point(
                time: now, intended: shares.mapValues(\.share), service: Numbers(load.targets[.service]),
                clusters: Dictionary(uniqueKeysWithValues: names.map { ($0, Numbers(load.targets[.cluster($0)])) }))
            entries.withLock { entries in
                guard entries[service] != nil || entries.count < Self.maxServices else { return }
                var entry = entries.removeValue(forKey: service) ?? Entry()
                if entry.points.count == Self.maxPoints { entry.points.removeFirst() }
                entry.points.append(point)
                if let load = window[service] {
                    for name in names { entry.note(load, name, pods: shares[name]?.pods ?? 0, at: now) }
                }
                entries[service] = entry
            }
        }
        entries.withLock { entries in
            entries = entries.filter { now.timeIntervalSince($0.value.points.last?.time ?? now) < 3_600 }
        }
    }

    /// The intervals of a service, oldest first.
    public func points(of service: ServiceName) -> [Point] { entries.withLock { $0[service]?.points ?? [] } }

    /// What was reported about a service and its clusters between two times, by `Evidence.key` and the clusters' names.
    public func evidence(of service: ServiceName, from start: Date, to end: Date) -> [String: Evidence] {
        let points = points(of: service).filter { $0.time > start && $0.time <= end }
        var sums: [String: Numbers] = [:]
        for point in points {
            sums[Evidence.key(of: service.rawValue), default: Numbers(nil)].add(point.service)
            for (cluster, numbers) in point.clusters { sums[cluster.rawValue, default: Numbers(nil)].add(numbers) }
        }
        return sums.mapValues(\.evidence)
    }

    /// What was reported in the five minutes before an override started.
    public func baseline(of override: Override) -> [String: Evidence] {
        evidence(
            of: ServiceName(rawValue: override.spec.service), from: override.start - 300, to: override.start)
    }

    /// By cluster, the most requests per second that a pod has carried over 30 seconds in a day with under 1 % errors.
    public func proved(of service: ServiceName) -> [ClusterName: Double] {
        entries.withLock { $0[service]?.proved.compactMapValues { $0.map(\.rate).max() } ?? [:] }
    }
}

extension LoadHistory.Numbers {
    fileprivate mutating func add(_ other: LoadHistory.Numbers) {
        let (all, more) = (Double(ended), Double(other.ended))
        if let latency = other.latency {
            self.latency = self.latency.map { ($0 * all + latency * more) / max(all + more, 1) } ?? latency
        }
        issued &+= other.issued
        ended &+= other.ended
        errors &+= other.errors
    }
}

extension LoadHistory.Entry {
    /// Notes what the pods of a cluster carried, if it went well.
    fileprivate mutating func note(_ load: ObservedLoad, _ cluster: ClusterName, pods: Int, at now: Date) {
        let seconds = load.window / .seconds(1)
        var rates = load.targets.compactMap { target, tally -> Double? in
            guard case .pod(cluster, _) = target, isGood(tally) else { return nil }
            return Double(tally.issued) / seconds
        }
        // Clients that don't tell pods apart report the whole cluster.
        if rates.isEmpty, pods > 0, let tally = load.targets[.cluster(cluster)], isGood(tally) {
            rates = [Double(tally.issued) / seconds / Double(pods)]
        }
        let hour = Int(now.timeIntervalSince1970 / 3_600)
        var list = (proved[cluster] ?? []).filter { $0.hour > hour - 24 }
        if let rate = rates.max() {
            if list.last?.hour == hour {
                list[list.count - 1].rate = max(list[list.count - 1].rate, rate)
            } else {
                list.append((hour, rate))
            }
        }
        proved[cluster] = list
    }

    private func isGood(_ tally: Tally) -> Bool { tally.ended > 0 && Double(tally.errors) * 100 < Double(tally.ended) }
}
