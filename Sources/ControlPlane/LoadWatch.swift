import Discovery
import Foundation
import Logging
import Model
import Synchronization

/// Looks at what clients report, every few seconds: notices clusters and gateways to which most requests fail, and lets go
/// held pods to which they do.
///
/// Client reports are no proof that pods are gone, so nothing else is taken out of service for them.
final class LoadWatch: Sendable {
    private static let interval = Duration.seconds(5)
    /// Requests to a held pod that have to have ended before it is let go.
    private static let fewestOfPod: UInt64 = 5

    private let observer: LoadObserver
    private let registry: Registry
    private let gateways: GatewayProgress
    private let logger: Logger
    private let failing = Mutex<[Failing: String]>([:])

    /// What requests fail to.
    private struct Failing: Hashable, Comparable {
        var service: ServiceName
        var target: String

        static func < (left: Failing, right: Failing) -> Bool {
            (left.service.rawValue, left.target) < (right.service.rawValue, right.target)
        }
    }

    init(_ observer: LoadObserver, _ registry: Registry, _ gateways: GatewayProgress, logger: Logger) {
        self.gateways = gateways
        self.observer = observer
        self.registry = registry
        self.logger = logger
    }

    /// Where most requests fail, each a sentence.
    var problems: [String] { failing.withLock { $0.sorted { $0.key < $1.key }.map(\.value) } }

    /// Looks until the task is cancelled.
    func run() async {
        while (try? await Task.sleep(for: Self.interval)) != nil {
            let observed = total(observer.observations(at: .now))
            note(observed)
            if await registry.hasHolds { await releaseFailing(observed) }
        }
    }

    /// All views' observations of each service together.
    private func total(_ observations: [Viewer: [ServiceName: ObservedLoad]]) -> [ServiceName: ObservedLoad] {
        observations.filter { $0.key.audience != .gateway }.values.reduce(into: [:]) { total, services in
            total.merge(services) { first, second in
                var sum = first
                sum.reports += second.reports
                sum.targets.merge(second.targets) { $0 + $1 }
                return sum
            }
        }
    }

    private func note(_ observed: [ServiceName: ObservedLoad]) {
        var now: [Failing: String] = [:]
        for (service, load) in observed {
            for (target, tally) in load.targets {
                let place: String
                let owner: ClusterName
                switch target {
                case .cluster(let cluster): (place, owner) = ("\(cluster)", cluster)
                case .gateway(let cluster, let address):
                    (place, owner) = ("\(cluster) through its gateway \(address)", cluster)
                case .service, .locality, .pod: continue
                }
                guard let failure = load.failure(of: target, place: place) else { continue }
                let left = gateways.lastLeft(owner).map {
                    "; the last gateway of \(owner) that asked this Ballast for its pods left at \($0.formatted(.iso8601))"
                }
                now[Failing(service: service, target: place)] = """
                    \(service): \(failure) \
                    (\(tally.errors) of \(tally.ended), by clients' load reports)\(left ?? "")
                    """
            }
        }
        let last = failing.withLock { last in
            defer { last = now }
            return last
        }
        // All at once, so that a mesh that fails as a whole says so in few lines.
        let begun = now.filter { last[$0.key] == nil }.sorted { $0.key < $1.key }.map(\.value)
        let ended = last.filter { now[$0.key] == nil }.sorted { $0.key < $1.key }.map(\.key)
        for problem in begun.prefix(10) { logger.warning("\(problem)") }
        if begun.count > 10 { logger.warning("requests fail in \(begun.count - 10) more services or clusters") }
        for entry in ended.prefix(10) {
            logger.info("\(entry.service): requests to \(entry.target) fail no longer, or there are too few")
        }
    }

    /// Lets go held pods to which nobody gets through, if most requests to others do.
    ///
    /// A single client that lies can't have a pod let go that answers anyone.
    private func releaseFailing(_ observed: [ServiceName: ObservedLoad]) async {
        for hold in await registry.state.holds {
            guard let load = observed[hold.service] else { continue }
            let held = Set(hold.pods)
            let failing = hold.pods.filter { name in
                load.targets[.pod(hold.cluster, name)].map { $0.successes == 0 && $0.errors >= Self.fewestOfPod }
                    == true
            }
            guard !failing.isEmpty else { continue }
            // A client that can't reach anything says nothing about these.
            let others = load.targets.compactMap { target, tally in
                if case .pod(let cluster, let name) = target, cluster != hold.cluster || !held.contains(name) {
                    tally
                } else {
                    nil
                }
            }.reduce(Tally()) { $0 + $1 }
            guard others.ended >= Self.fewestOfPod, others.errors < others.successes else { continue }
            await registry.releaseFailing(Set(failing), of: hold.service, in: hold.cluster)
        }
    }
}
