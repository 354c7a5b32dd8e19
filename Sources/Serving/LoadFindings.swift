public import Discovery
public import Foundation
public import Model
public import Snapshots

/// What clients' load reports say is wrong: clusters and gateways to which most requests fail, and held pods to which all do.
///
/// Clients' reports are no proof that pods are gone, so nothing else is taken out of service for them.
public struct LoadFindings: Sendable {
    /// Held pods to which no request gets through, while most requests to others do.
    public struct FailingHold: Hashable, Sendable {
        /// Whose pods.
        public var cluster: ClusterName
        /// Of which service.
        public var service: ServiceName
        /// Their names.
        public var pods: Set<String>
    }

    /// Requests to a held pod that have to have ended before it counts as failing.
    private static let fewestOfPod: UInt64 = 5

    /// What requests fail, each a sentence, by what stays the same while they do: the service and the target.
    public private(set) var problems: [String: String] = [:]
    /// Held pods that can go.
    public private(set) var failingHolds: [FailingHold] = []

    /// Looks at what clients reported.
    ///
    /// - Parameters:
    ///   - lastLeft: when the last gateway of a cluster left that was told of all pods; nil if there is one.
    public init(
        _ observations: [ClientView: [ServiceName: ObservedLoad]], holds: [HoldStatus],
        lastLeft: (ClusterName) -> Date?
    ) {
        let observed = Self.total(observations)
        for (service, load) in observed {
            for (target, tally) in load.targets {
                let (place, owner): (String, ClusterName)
                switch target {
                case .cluster(let cluster): (place, owner) = ("\(cluster)", cluster)
                case .gateway(let cluster, let address):
                    (place, owner) = ("\(cluster) through its gateway \(address)", cluster)
                case .service, .locality, .pod: continue
                }
                guard let failure = load.failure(of: target, place: place) else { continue }
                let left = lastLeft(owner).map {
                    "; the last gateway of \(owner) that asked this Ballast for its pods left at \($0.formatted(.iso8601))"
                }
                problems["\(service): requests to \(place)"] = """
                    \(service): \(failure) \
                    (\(tally.errors) of \(tally.ended), by clients' load reports)\(left ?? "")
                    """
            }
        }
        failingHolds = holds.compactMap { hold in
            observed[hold.service].flatMap { FailingHold(hold, $0, fewest: Self.fewestOfPod) }
        }
    }

    /// All views' observations of each service together.
    private static func total(_ observations: [ClientView: [ServiceName: ObservedLoad]]) -> [ServiceName: ObservedLoad]
    {
        observations.filter { $0.key.kind != .gateway }.values.reduce(into: [:]) { total, services in
            total.merge(services) { first, second in
                var sum = first
                sum.reports += second.reports
                sum.targets.merge(second.targets) { $0 + $1 }
                return sum
            }
        }
    }
}

extension LoadFindings.FailingHold {
    /// Nil if none of them fails for sure.
    ///
    /// A single client that lies can't have a pod released that answers anyone.
    fileprivate init?(_ hold: HoldStatus, _ load: ObservedLoad, fewest: UInt64) {
        let failing = hold.pods.filter { name in
            load.targets[.pod(hold.cluster, name)].map { $0.successes == 0 && $0.errors >= fewest } == true
        }
        let held = Set(hold.pods)
        // A client that can't reach anything says nothing about these.
        let others = load.targets.compactMap { target, tally -> Tally? in
            guard case .pod(let cluster, let name) = target, cluster != hold.cluster || !held.contains(name) else {
                return nil
            }
            return tally
        }.reduce(Tally()) { $0 + $1 }
        guard !failing.isEmpty, others.ended >= fewest, others.errors < others.successes else { return nil }
        self.init(cluster: hold.cluster, service: hold.service, pods: Set(failing))
    }
}
