import AdminAPI
import Balancing
import Model
import Serving
import Snapshots

/// A service before and after a change, in one view, with the loads.
struct Comparison {
    let before: Assignment
    let after: Assignment
    /// The shares after the change.
    let afterShares: [ClusterShare]
    /// The cluster and pod of each address after the change.
    let origins: [Assignment.Endpoint.Address: Assignment.Origin]
    let clusters: [PlanPage.Cluster]
    let basis: PlanPage.Basis
    let podCount: Int
    /// By cluster, the most requests per second that a pod has carried well.
    let proved: [ClusterName: Double]
    /// The zone of each pod, by cluster and name.
    private let zones: [ClusterName: [String: String]]
    /// The share of each pod before, by cluster and name.
    private let lastShares: [ClusterName: [String: Double]]

    init(_ before: Assignment, _ after: Assignment, _ premises: Premises, _ service: ServiceName) {
        self.before = before
        self.after = after
        let afterShares = after.shares
        self.afterShares = afterShares
        origins = after.origins
        zones = Dictionary(
            afterShares.filter { Set($0.pods.map(\.locality.zone)).count > 1 }.map { share in
                (
                    share.cluster,
                    Dictionary(share.pods.map { ($0.name, $0.locality.zone) }, uniquingKeysWith: { first, _ in first })
                )
            }, uniquingKeysWith: { first, _ in first })
        let load = premises.observed[service]
        let seconds = load.map { $0.window / .seconds(1) } ?? 0
        let observed = load.flatMap { load in
            load.targets[.service].flatMap { seconds > 0 ? Double($0.issued) / seconds : nil }
        }
        let rps = premises.rps ?? observed.map { ($0 * 10).rounded() / 10 }
        basis = PlanPage.Basis(
            rps: rps, windowSeconds: seconds, reports: load?.reports ?? 0,
            assumed: premises.losses.isEmpty ? nil : premises.losses.map(\.description))
        let proved = premises.proved(service)
        self.proved = proved
        let beforeShares = before.shares
        let lastShares = Dictionary(
            beforeShares.map { share in
                (
                    share.cluster,
                    Dictionary(share.pods.map { ($0.name, $0.share) }, uniquingKeysWith: { first, _ in first })
                )
            }, uniquingKeysWith: { first, _ in first })
        let lastClusters = Dictionary(
            beforeShares.map { ($0.cluster, $0.share) }, uniquingKeysWith: { first, _ in first })
        self.lastShares = lastShares
        var podCount = 0
        clusters = afterShares.map { share in
            podCount += share.pods.count
            let last = lastClusters[share.cluster] ?? 0
            let pods = share.pods.map { pod in
                PlanPage.Pod(
                    pod.name, before: lastShares[share.cluster]?[pod.name] ?? 0, after: pod.share, rps: rps,
                    proved: proved[share.cluster])
            }
            return PlanPage.Cluster(
                cluster: share.cluster.rawValue, before: percent(last), after: percent(share.share),
                rps: rps.map { [tenth($0 * last), tenth($0 * share.share)] }, reason: share.reason, pods: pods)
        }
        self.podCount = podCount
    }

    /// Shares in percent, by cluster.
    func percentages(_ shares: [ClusterShare]) -> [String: Double] {
        Dictionary(
            shares.map { ($0.cluster.rawValue, percent($0.share)) }, uniquingKeysWith: { first, _ in first })
    }

    /// The shares part of the way, in percent, by cluster.
    func interpolated(_ level: Double) -> [String: Double] {
        Dictionary(
            clusters.map { ($0.cluster, percent(($0.before + level * ($0.after - $0.before)) / 100)) },
            uniquingKeysWith: { first, _ in first })
    }

    /// The zone of an endpoint's pod; nil if the endpoint stands for many.
    func zone(of origin: Assignment.Origin) -> String? {
        origin.pod.flatMap { zones[origin.cluster]?[$0] }
    }

    /// What a loss does.
    ///
    /// - Parameters:
    ///   - later: what Ballast then answers.
    ///   - envoy: how an Envoy divides before that.
    func failure(_ loss: Loss, _ later: Assignment?, _ envoy: EnvoyLoad) -> PlanPage.Failure {
        let shares = later?.shares ?? []
        var byCluster: [String: Double] = [:]
        for (address, part) in envoy.parts {
            guard let origin = origins[address] else { continue }
            byCluster[origin.cluster.rawValue, default: 0] += part
        }
        var page = PlanPage.Failure(
            lost: loss.description, shares: percentages(shares), envoy: byCluster.mapValues(percent))
        // The greatest growth counts; pods that get nothing now have none.
        var hottest: (cluster: ClusterName, pod: ClusterShare.PodShare, times: Double?)?
        for share in shares {
            let last = lastShares[share.cluster] ?? [:]
            for pod in share.pods where pod.share > 0 {
                let times = last[pod.name].flatMap { $0 > 0 ? pod.share / $0 : nil }
                if let known = hottest, (known.times ?? 0, known.pod.share) >= (times ?? 0, pod.share) { continue }
                hottest = (share.cluster, pod, times)
            }
        }
        guard let (cluster, pod, times) = hottest else { return page }
        page.hottest = "\(cluster)/\(pod.name)"
        page.times = times.map { ($0 * 100).rounded() / 100 }
        if let rps = basis.rps {
            page.rps = tenth(rps * pod.share)
            page.ofProved = proved[cluster].flatMap { $0 > 0 ? (rps * pod.share / $0 * 100).rounded() / 100 : nil }
        }
        return page
    }
}

extension PlanPage.Pod {
    fileprivate init(_ name: String, before: Double, after: Double, rps: Double?, proved: Double?) {
        self.init(
            pod: name, before: percent(before), after: percent(after),
            rps: rps.map { [tenth($0 * before), tenth($0 * after)] },
            times: before > 0 ? (after / before * 100).rounded() / 100 : nil,
            ofProved: rps.flatMap { rps in
                proved.flatMap { $0 > 0 ? (rps * after / $0 * 100).rounded() / 100 : nil }
            })
    }
}

extension PlanPage.Cluster {
    /// The most pods of a cluster on a page.
    private static let maxPods = 1_000

    /// The cluster with the pods that are listed.
    var listed: Self {
        var cluster = self
        cluster.pods = Array(pods.prefix(Self.maxPods))
        cluster.omitted = pods.count > Self.maxPods ? pods.count - Self.maxPods : nil
        return cluster
    }
}

/// A number with one decimal.
private func tenth(_ number: Double) -> Double { (number * 10).rounded() / 10 }
