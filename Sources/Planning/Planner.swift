public import AdminAPI
import Balancing
import EnvoyAPI
import Foundation
public import Model
public import Overrides
import Serving
public import Snapshots
import XDS
import XXHash

/// Computes what an override would change, with the code that builds snapshots.
public struct Planner {
    /// What the plan is computed from.
    let premises: Premises
    /// Above this number of pods times steps, steps between the first and the last are interpolated.
    private static let maxStepWork = 50_000

    /// Creates a planner.
    public init(_ premises: Premises) { self.premises = premises }

    private var builder: SnapshotBuilder { premises.builder }

    /// The service and view that a plan of a spec is for.
    ///
    /// - Parameter view: the cluster whose clients it is for; nil for the spec's first view, or this Ballast's cluster.
    public func subject(of spec: OverrideSpec, view: ClusterName?) throws(ProblemPage) -> (ServiceName, ClientView) {
        for loss in premises.losses where !builder.clusterNames.contains(loss.cluster) {
            throw ProblemPage(type: "unknown", status: 404, detail: "`assume`: there is no cluster \(loss.cluster)")
        }
        let problems = spec.problems(at: premises.now) + tooLong(spec) + unknownNames(in: spec)
        guard problems.isEmpty else { throw ProblemPage(.invalid(problems)) }
        let cluster = view ?? spec.views?.first.map(ClusterName.init(rawValue:)) ?? builder.ownCluster
        // An override of all services is shown by one of them.
        guard let service = spec.service == "*" ? builder.names.min() : ServiceName(rawValue: spec.service) else {
            throw ProblemPage(type: "unknown", status: 404, detail: "no service is served yet")
        }
        guard builder.clusterNames.contains(cluster) else {
            throw ProblemPage(type: "unknown", status: 404, detail: "there is no cluster \(cluster)")
        }
        return (service, ClientView(cluster: cluster, kind: .lanes))
    }

    /// The plan of a spec.
    ///
    /// - Parameter view: the cluster whose clients are shown; nil for the spec's first view, or this Ballast's cluster.
    public func plan(_ spec: OverrideSpec, view: ClusterName? = nil) throws(ProblemPage) -> PlanPage {
        let compared = try compare(spec, view)
        // What decides is the same comparison, unless the caller assumes something or looks at another view.
        let isReal = view == nil && premises.losses.isEmpty && premises.rps == nil
        let verdict = isReal ? self.verdict(spec, compared) : try verdict(spec)
        let (service, view, comparison, others) = compared
        let steps = steps(spec, service, view, comparison)
        return PlanPage(
            summary: summary(spec, comparison, steps), allowed: verdict.rules.allSatisfy(\.kept), spec: spec,
            service: service.rawValue, view: view.cluster.rawValue, basis: comparison.basis,
            clusters: comparison.clusters.map(\.listed), steps: steps,
            nextFailure: nextFailures(spec, service, view, comparison), push: push(spec, steps.count),
            warnings: warnings(spec, comparison, steps, others, service), rules: verdict.rules,
            returnsTo: returnsTo(spec, others), etag: verdict.etag)
    }

    /// What decides whether a spec may be applied: the etag of its plan, and the rules.
    ///
    /// It depends on the spec and the mesh only: what a caller assumes, and the view that it looks at, don't matter.
    public func verdict(_ spec: OverrideSpec) throws(ProblemPage) -> (etag: String, rules: [PlanPage.Rule]) {
        var premises = premises
        (premises.losses, premises.rps) = ([], nil)
        let strict = Planner(premises)
        return strict.verdict(spec, try strict.compare(spec, nil))
    }

    private func verdict(_ spec: OverrideSpec, _ compared: Compared) -> (etag: String, rules: [PlanPage.Rule]) {
        let (service, view, comparison, others) = compared
        return (etag(spec, comparison, others), rules(spec, service, view, comparison))
    }

    private typealias Compared = (ServiceName, ClientView, Comparison, others: [Override])

    /// Compares what is served with and without a spec; refuses a spec that can't be applied.
    private func compare(
        _ spec: OverrideSpec, _ view: ClusterName?
    ) throws(ProblemPage) -> Compared {
        let (service, view) = try subject(of: spec, view: view)
        if let abort = spec.abort, abort.noData != .ignore, premises.observed.isEmpty {
            throw ProblemPage(
                type: "no-data", status: 409,
                detail: """
                    no client reports its load, so nothing can be judged: let clients report (`load_stats_config` in Envoy's \
                    bootstrap), or set `noData: Ignore`
                    """)
        }
        guard let before = assign(service, view, nil), let after = assign(service, view, (spec, .whole)) else {
            throw ProblemPage(type: "unknown", status: 404, detail: "\(service) is not served")
        }
        try checkServices(spec, but: (service, view, after))
        try checkGateways(spec)
        if after.shares.allSatisfy({ $0.share == 0 }), before.shares.contains(where: { $0.share > 0 }) {
            throw ProblemPage(
                type: "empty", status: 409,
                detail:
                    "\(service) would be left without a healthy pod that takes traffic, for clients of \(view.cluster)")
        }
        let comparison = Comparison(before, after, premises, service)
        return (service, view, comparison, premises.book.current(of: service, at: premises.now))
    }

    private func assign(
        _ service: ServiceName, _ view: ClientView, _ addition: (OverrideSpec, Tuning.Fraction)?, without: [Loss] = []
    ) -> Assignment? {
        builder.assignment(
            of: service, for: view, with: Tunings(premises.book, at: premises.now, adding: addition),
            without: premises.losses + without)
    }

    // MARK: Checks

    private func tooLong(_ spec: OverrideSpec) -> [FieldProblem] {
        guard let until = spec.until else { return [] }
        let seconds = until.timeIntervalSince(max(spec.start ?? premises.now, premises.now))
        let longest = premises.longest / .seconds(1)
        guard seconds > longest + 1 else { return [] }
        return [FieldProblem("/until", "is later than `overrides.longest` allows: \(Int(longest / 3_600)) h")]
    }

    /// Refuses a spec that would leave a service without a pod for some clients.
    private func checkServices(
        _ spec: OverrideSpec, but known: (ServiceName, ClientView, Assignment)
    ) throws(ProblemPage) {
        // Only drains and shares of 0 can give way to the never-empty rule.
        guard spec.drain != nil || spec.shares?.values.contains(0) == true else { return }
        let services = spec.service == "*" ? builder.names.sorted() : [ServiceName(rawValue: spec.service)]
        let views = spec.views?.map(ClusterName.init(rawValue:)) ?? builder.clusterNames.sorted()
        let tunings = Tunings(premises.book, at: premises.now, adding: (spec, .whole))
        for service in services {
            for cluster in views {
                let view = ClientView(cluster: cluster, kind: .lanes)
                let assignment =
                    known.0 == service && known.1 == view
                    ? known.2 : builder.assignment(of: service, for: view, with: tunings, without: premises.losses)
                guard assignment?.ignoresDrains == true else { continue }
                throw ProblemPage(
                    type: "empty", status: 409,
                    detail:
                        "\(service) would be left without a healthy pod that takes traffic, for clients of \(cluster)")
            }
        }
    }

    /// Refuses a spec that would drain the last gateway of a cluster.
    private func checkGateways(_ spec: OverrideSpec) throws(ProblemPage) {
        guard let drain = spec.drain, drain.gateway != nil,
            let cluster = builder.meshClusters.first(where: { $0.name.rawValue == drain.cluster })
        else { return }
        let drains = premises.book.current(at: premises.now).compactMap(\.spec.drain) + [drain]
        let drained = Set(
            drains.filter { $0.cluster == drain.cluster }.compactMap { $0.gateway.flatMap(SocketAddress.init(_:)) })
        guard Set(cluster.gateways).isSubset(of: drained) else { return }
        throw ProblemPage(
            type: "empty", status: 409,
            detail: "\(drain.cluster) would be left without a gateway: drain the cluster instead")
    }

    /// Names in a spec that the mesh doesn't have.
    private func unknownNames(in spec: OverrideSpec) -> [FieldProblem] {
        var problems: [FieldProblem] = []
        let service = ServiceName(rawValue: spec.service)
        if spec.service != "*", !builder.names.contains(service) {
            let near = nearNames(to: spec.service, in: builder.names.map(\.rawValue))
            let hint = near.isEmpty ? "" : "; did you mean \(near.joined(separator: " or "))?"
            problems.append(FieldProblem("/service", "there is no service \(service)\(hint)"))
        }
        let targets = [("/multiplier/target", spec.multiplier?.target), ("/drain", spec.drain)]
        var clusters = (spec.views ?? []).enumerated().map { ("/views/\($0)", $1) }
        clusters += (spec.shares ?? [:]).keys.sorted().map {
            ("/shares/\(OverrideSpec.escaped($0))", OverrideSpec.part($0).cluster.rawValue)
        }
        clusters += targets.compactMap { field, target in target.map { ("\(field)/cluster", $0.cluster) } }
        for (pointer, name) in clusters where !builder.clusterNames.contains(ClusterName(rawValue: name)) {
            let all = builder.clusterNames.map(\.rawValue).sorted().joined(separator: ", ")
            problems.append(FieldProblem(pointer, "there is no cluster \(name); there are \(all)"))
        }
        if let drain = spec.drain, let gateway = drain.gateway.flatMap(SocketAddress.init(_:)),
            let cluster = builder.meshClusters.first(where: { $0.name.rawValue == drain.cluster }),
            !cluster.gateways.contains(gateway)
        {
            let all = cluster.gateways.map(\.description).sorted().joined(separator: ", ")
            problems.append(
                FieldProblem(
                    "/drain/gateway", "\(drain.cluster) has no gateway \(gateway); it has \(all.isEmpty ? "none" : all)"
                ))
        }
        return problems
    }

    /// Whether the rules are kept, for every service and view that the spec affects.
    private func rules(
        _ spec: OverrideSpec, _ shown: ServiceName, _ shownView: ClientView, _ comparison: Comparison
    ) -> [PlanPage.Rule] {
        let drains = premises.book.current(at: premises.now).count { $0.spec.drain != nil }
        let services = spec.service == "*" ? builder.names.sorted() : [shown]
        let views = (spec.views?.map(ClusterName.init(rawValue:)) ?? builder.clusterNames.sorted()).map {
            ClientView(cluster: $0, kind: .lanes)
        }
        var broken: [String: String] = [:]
        for service in services {
            for view in views {
                let open = premises.rules.filter { broken[$0.name] == nil && $0.concerns(service) }
                guard !open.isEmpty else { continue }
                let isShown = service == shown && view == shownView
                guard let own = isShown ? comparison : compared(spec, service, view) else { continue }
                let steps = steps(spec, service, view, own)
                let later = takers(spec, service, view)
                for rule in open {
                    guard
                        let reason = rule.breach(spec, own, steps, drains: drains, takers: later, at: premises.now)
                    else { continue }
                    let place = views.count > 1 ? " for clients of \(view.cluster)" : ""
                    broken[rule.name] = services.count > 1 ? "\(service)\(place): \(reason)" : "\(reason)\(place)"
                }
            }
        }
        return premises.rules.map {
            PlanPage.Rule(name: $0.name, kept: broken[$0.name] == nil, says: broken[$0.name])
        }
    }

    private func compared(_ spec: OverrideSpec, _ service: ServiceName, _ view: ClientView) -> Comparison? {
        guard let before = assign(service, view, nil), let after = assign(service, view, (spec, .whole)) else {
            return nil
        }
        return Comparison(before, after, premises, service)
    }

    /// The number of clusters that take traffic once every override has its full effect, those that are scheduled, too.
    private func takers(_ spec: OverrideSpec, _ service: ServiceName, _ view: ClientView) -> Int {
        let tunings = Tunings(premises.book, at: premises.now, adding: (spec, .whole), isForeseen: true)
        let shares = builder.assignment(of: service, for: view, with: tunings, without: [])?.shares ?? []
        return shares.count { $0.share > 0 }
    }

    // MARK: Parts of the plan

    private func steps(
        _ spec: OverrideSpec, _ service: ServiceName, _ view: ClientView, _ comparison: Comparison
    ) -> [[String: Double]] {
        let count = spec.ramp?.steps ?? 1
        let isExact = count * comparison.podCount <= Self.maxStepWork
        return (1...count).map { step in
            if step == count { return comparison.percentages(comparison.afterShares) }
            let level = Tuning.Fraction(UInt64(step), of: UInt64(count))
            guard isExact else { return comparison.interpolated(level.value) }
            return assign(service, view, (spec, level)).map { comparison.percentages($0.shares) } ?? [:]
        }
    }

    private func push(_ spec: OverrideSpec, _ steps: Int) -> PlanPage.Push {
        var nodes: Set<String> = []
        var bytes = 0
        for (service, all) in premises.deliveries {
            let clients = all.filter { spec.views?.contains($0.view.cluster.rawValue) != false }
            nodes.formUnion(clients.map(\.node))
            for (view, deliveries) in Dictionary(grouping: clients, by: \.view) {
                guard let assignment = assign(service, view, (spec, .whole)) else { continue }
                let resource = EncodedResource(assignment, name: ResourceName(rawValue: service.rawValue))
                bytes += resource.any.count * deliveries.count
            }
        }
        return PlanPage.Push(clients: nodes.count, bytes: bytes, bytesInAll: bytes * steps)
    }

    private func summary(_ spec: OverrideSpec, _ comparison: Comparison, _ steps: [[String: Double]]) -> String {
        let moved = comparison.clusters.filter { $0.before != $0.after }.map {
            "\($0.cluster) from \(decimal($0.before)) % to \(decimal($0.after)) %"
        }
        let what = moved.isEmpty ? "No share changes" : "\(moved.joined(separator: ", "))"
        let ramp = spec.ramp.map { " over \($0.over) in \($0.steps) steps" } ?? ""
        let end = spec.until.map { ", until \($0.ISO8601Format())" } ?? ", for good"
        let more = spec.service == "*" ? " One of \(builder.names.count) services is shown." : ""
        return "\(spec.summary): \(what)\(ramp)\(end).\(more)"
    }

    private func returnsTo(_ spec: OverrideSpec, _ others: [Override]) -> String {
        let beneath = others.last {
            spec.shares != nil && $0.spec.shares != nil || spec.balance != nil && $0.spec.balance != nil
        }
        return beneath.map { "override \($0.id)" } ?? "configuration"
    }

    /// A hash of everything that the plan's reader relies on; equal on all replicas.
    private func etag(_ spec: OverrideSpec, _ comparison: Comparison, _ others: [Override]) -> String {
        var text = (try? AdminJSON.encode(spec)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        for other in others { text += "\(other.id) \(other.transitions.map(\.id).sorted())\n" }
        var bytes = Array(text.utf8)
        for cluster in comparison.clusters {
            bytes += Array(cluster.cluster.utf8)
            for pod in cluster.pods {
                bytes += Array(pod.pod.utf8)
                for number in [pod.before, pod.after] {
                    let hundredths = Int64((number * 100).rounded())
                    for shift in stride(from: 0, to: 64, by: 8) {
                        bytes.append(UInt8(truncatingIfNeeded: hundredths >> Int64(shift)))
                    }
                }
            }
        }
        return String(xxHash64(bytes), radix: 16)
    }
}

// MARK: Failures

extension Planner {
    /// The most failures on a page.
    private static let maxFailures = 20
    /// Above this number of pods, only the losses of clusters and of the largest pod are computed.
    private static let maxPods = 2_000

    private func nextFailures(
        _ spec: OverrideSpec, _ service: ServiceName, _ view: ClientView, _ comparison: Comparison
    ) -> [PlanPage.Failure] {
        let failures = losses(comparison).prefix(Self.maxFailures).map { loss in
            let later = assign(service, view, (spec, .whole), without: [loss])
            let failed = Set(comparison.origins.filter { loss.takes($0.value, comparison) }.map(\.key))
            let envoy = EnvoyLoad(comparison.after.localities, failed: failed)
            return comparison.failure(loss, later, envoy)
        }
        return failures.sorted { ($0.times ?? .infinity, $1.lost) > ($1.times ?? .infinity, $0.lost) }
    }

    private func losses(_ comparison: Comparison) -> [Loss] {
        let shares = comparison.afterShares.filter { $0.share > 0 }
        var losses: [Loss] = shares.count > 1 ? shares.map { .cluster($0.cluster) } : []
        let pods = shares.flatMap { share in share.pods.map { (share.cluster, $0) } }
        if let largest = pods.max(by: { $0.1.share < $1.1.share }), pods.count > 1 {
            losses.append(.pod(largest.0, largest.1.name))
        }
        guard comparison.podCount <= Self.maxPods else { return losses }
        for share in shares {
            let zones = Set(share.pods.map(\.locality.zone)).filter { !$0.isEmpty }
            if zones.count > 1 { losses += zones.sorted().map { .zone(share.cluster, $0) } }
            let gateways = builder.meshClusters.first { $0.name == share.cluster }?.gateways ?? []
            if gateways.count > 1 { losses += Set(gateways).sorted().map { .gateway(share.cluster, $0) } }
        }
        return losses
    }
}

extension Loss {
    /// Whether an endpoint of that origin is down, as far as clients see it: of a pod behind a gateway they see nothing.
    fileprivate func takes(
        _ origin: Assignment.Origin, _ comparison: Comparison
    ) -> Bool {
        switch self {
        case .cluster(let name): origin.cluster == name
        case .gateway: false
        case .pod(let name, let pod): origin.cluster == name && origin.pod == pod
        case .zone(let name, let zone): origin.cluster == name && comparison.zone(of: origin) == zone
        }
    }
}
