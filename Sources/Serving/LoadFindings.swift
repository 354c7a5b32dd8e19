public import Discovery
public import Foundation
public import Model
public import Snapshots

/// Problems found in load reports: clusters and gateways to which most requests fail, and held pods to which all fail.
///
/// Load reports don't prove that pods are gone, so only held pods are removed because of them.
public struct LoadFindings: Sendable {
    /// Held pods to which all requests fail, while most requests to other pods succeed.
    public struct FailingHold: Hashable, Sendable {
        /// The pods' cluster.
        public var cluster: ClusterName
        /// The pods' service.
        public var service: ServiceName
        /// The pods' names.
        public var pods: Set<String>
    }

    /// The minimum number of failed requests before a held pod counts as failing.
    private static let fewestOfPod: UInt64 = 5

    /// Sentences about failing requests; the key names the service and target and stays the same while they fail.
    public private(set) var problems: [String: String] = [:]
    /// Held pods that can be released.
    public private(set) var failingHolds: [FailingHold] = []

    /// Evaluates the observations.
    ///
    /// - Parameter lastLeft: when the last gateway with all pods left a cluster; nil if there is one, or never was.
    public init(
        _ observations: [ClientView: [ServiceName: ObservedLoad]], holds: [HoldStatus],
        lastLeft: (ClusterName) -> Date?
    ) {
        let observed = ObservedLoad.total(observations)
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
}

extension LoadFindings.FailingHold {
    /// Creates a failing hold; nil if no held pod is certain to fail.
    ///
    /// One successful request keeps a pod, so a single lying client can't remove a pod that works for others.
    fileprivate init?(_ hold: HoldStatus, _ load: ObservedLoad, fewest: UInt64) {
        let failing = hold.pods.filter { name in
            load.targets[.pod(hold.cluster, name)].map { $0.successes == 0 && $0.errors >= fewest } == true
        }
        let held = Set(hold.pods)
        // Reports count only if requests to other pods mostly succeed; otherwise the client may be unable to reach
        // anything.
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
