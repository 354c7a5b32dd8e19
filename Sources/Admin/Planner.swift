import AdminAPI
import Balancing
import ControlPlane
import Foundation
import Model
import Overrides
import Snapshots
import XXHash

/// Computes what an override would change, with the code that builds snapshots.
struct Planner {
    private let controlPlane: ControlPlane

    init(_ controlPlane: ControlPlane) { self.controlPlane = controlPlane }

    /// The plan of a spec.
    ///
    /// - Parameter view: the cluster whose clients it is for; nil for this Ballast's own.
    func plan(_ spec: OverrideSpec, view: ClusterName?) async throws -> PlanPage {
        let builder = await controlPlane.snapshotBuilder()
        let problems = spec.problems(at: Date()) + unknownNames(in: spec, builder)
        guard problems.isEmpty else { throw ProblemPage(.invalid(problems)) }
        let view = ClientView(cluster: view ?? builder.ownCluster, kind: .lanes)
        // An override of all services is shown by one of them.
        guard let service = spec.service == "*" ? builder.names.min() : ServiceName(rawValue: spec.service) else {
            throw ProblemPage(type: "unknown", status: 404, detail: "no service is served yet")
        }
        let (book, now) = (controlPlane.overrides.book, Date())
        let assign = { (level: Tuning.Fraction?) in
            builder.assignment(
                of: service, for: view, with: Tunings(book, at: now, adding: level.map { (spec, $0) }))
        }
        guard let before = assign(nil), let after = assign(.whole) else {
            throw ProblemPage(type: "unknown", status: 404, detail: "there is no cluster \(view.cluster)")
        }
        try checkServices(spec, builder, Tunings(book, at: now, adding: (spec, .whole)))
        let steps = spec.ramp?.steps ?? 1
        let shares = (1...steps).map { step -> [String: Double] in
            let shares = step == steps ? after.shares : assign(Tuning.Fraction(UInt64(step), of: UInt64(steps)))?.shares
            return Dictionary(
                (shares ?? []).map { ($0.cluster.rawValue, percent($0.share)) }, uniquingKeysWith: { first, _ in first }
            )
        }
        let others = book.current(of: service, at: now)
        let clusters = zip(before.shares, after.shares).map(PlanPage.Cluster.init)
        return PlanPage(
            spec: spec, service: service.rawValue, view: view.cluster.rawValue, clusters: clusters.map(\.listed),
            steps: shares,
            warnings: warnings(spec, clusters, after, shares, others), etag: etag(spec, clusters, others))
    }

    /// Refuses a spec that would leave a service without a pod for some clients.
    private func checkServices(_ spec: OverrideSpec, _ builder: SnapshotBuilder, _ tunings: Tunings) throws {
        let services = spec.service == "*" ? builder.names.sorted() : [ServiceName(rawValue: spec.service)]
        let views = spec.views?.map(ClusterName.init(rawValue:)) ?? builder.clusterNames.sorted()
        for service in services {
            for view in views {
                let client = ClientView(cluster: view, kind: .lanes)
                guard builder.assignment(of: service, for: client, with: tunings)?.ignoresDrains == true else {
                    continue
                }
                throw ProblemPage(
                    type: "empty", status: 409,
                    detail: "\(service) would be left without a healthy pod that takes traffic, for clients of \(view)")
            }
        }
    }

    /// Names in a spec that the mesh doesn't have.
    private func unknownNames(in spec: OverrideSpec, _ builder: SnapshotBuilder) -> [FieldProblem] {
        var problems: [FieldProblem] = []
        let service = ServiceName(rawValue: spec.service)
        if spec.service != "*", !builder.names.contains(service) {
            let near = nearNames(to: spec.service, in: builder.names.map(\.rawValue))
            let hint = near.isEmpty ? "" : "; did you mean \(near.joined(separator: " or "))?"
            problems.append(FieldProblem("/service", "there is no service \(service)\(hint)"))
        }
        let targets = [("/multiplier/target", spec.multiplier?.target), ("/drain", spec.drain)]
        var clusters = (spec.views ?? []).enumerated().map { ("/views/\($0)", $1) }
        clusters += (spec.shares ?? [:]).keys.sorted().map { ("/shares/\($0)", $0) }
        clusters += targets.compactMap { field, target in target.map { ("\(field)/cluster", $0.cluster) } }
        for (pointer, name) in clusters where !builder.clusterNames.contains(ClusterName(rawValue: name)) {
            let all = builder.clusterNames.map(\.rawValue).sorted().joined(separator: ", ")
            problems.append(FieldProblem(pointer, "there is no cluster \(name); there are \(all)"))
        }
        return problems
    }

    private func warnings(
        _ spec: OverrideSpec, _ clusters: [PlanPage.Cluster], _ after: Assignment, _ steps: [[String: Double]],
        _ others: [Override]
    ) -> [PlanPage.Warning] {
        var warnings: [PlanPage.Warning] = []
        let hot = clusters.flatMap { cluster in
            cluster.pods.filter { ($0.times ?? 0) > 1.5 }.map { ("\(cluster.cluster)/\($0.pod)", $0.times ?? 0) }
        }
        if let most = hot.max(by: { $0.1 < $1.1 }) {
            let names = hot.prefix(5).map(\.0).joined(separator: ", ")
            let more = hot.count > 5 ? " and \(hot.count - 5) more" : ""
            warnings.append(
                PlanPage.Warning(
                    code: "hot",
                    says: "\(names)\(more) get up to \((most.1 * 10).rounded() / 10) times what they get now"))
        }
        var last = Dictionary(clusters.map { ($0.cluster, $0.before) }, uniquingKeysWith: { first, _ in first })
        var jump = 0.0
        for step in steps {
            for (cluster, share) in step { jump = max(jump, abs(share - (last[cluster] ?? 0))) }
            last = step
        }
        if jump > 25 {
            warnings.append(
                PlanPage.Warning(
                    code: "jump", says: "\((jump * 10).rounded() / 10) points move at once; a ramp moves them in steps")
            )
        }
        for cluster in after.shares where cluster.reason.contains("held to") {
            warnings.append(PlanPage.Warning(code: "limited", says: "\(cluster.cluster): \(cluster.reason)"))
        }
        if let target = spec.drain ?? spec.multiplier?.target, target.zone != nil || target.pod != nil {
            let pods = after.shares.filter { $0.cluster.rawValue == target.cluster }.flatMap(\.pods)
            if !pods.contains(where: { target.pod == nil ? $0.locality.zone == target.zone : $0.name == target.pod }) {
                let name = target.pod ?? target.zone ?? ""
                warnings.append(
                    PlanPage.Warning(
                        code: "absent", says: "\(target.cluster) has no pod of \(name) now: nothing changes"))
            }
        }
        for other in others where spec.shares != nil && other.spec.shares != nil {
            warnings.append(
                PlanPage.Warning(code: "superseded", says: "it counts over the shares of override \(other.id)"))
        }
        return warnings
    }

    /// A hash of everything that the plan's reader relies on.
    private func etag(_ spec: OverrideSpec, _ clusters: [PlanPage.Cluster], _ others: [Override]) -> String {
        var text = (try? AdminJSON.encode(spec)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        for other in others { text += "\(other.id) \(other.transitions.map(\.id).sorted())\n" }
        for cluster in clusters {
            text +=
                "\(cluster.cluster) \(cluster.before) \(cluster.after) \(cluster.pods.map { "\($0.pod) \($0.before) \($0.after)" })\n"
        }
        return String(xxHash64(text), radix: 16)
    }
}

extension PlanPage.Cluster {
    /// The most pods of a cluster on a page.
    private static let maxPods = 1_000

    /// The cluster with the pods that are listed.
    fileprivate var listed: Self {
        var cluster = self
        cluster.pods = Array(pods.prefix(Self.maxPods))
        cluster.omitted = pods.count > Self.maxPods ? pods.count - Self.maxPods : nil
        return cluster
    }

    fileprivate init(_ before: ClusterShare, _ after: ClusterShare) {
        self.init(
            cluster: after.cluster.rawValue, before: percent(before.share), after: percent(after.share),
            reason: after.reason,
            pods: zip(before.pods, after.pods).map { before, after in
                PlanPage.Pod(
                    pod: after.name, before: percent(before.share), after: percent(after.share),
                    times: before.share > 0 ? (after.share / before.share * 100).rounded() / 100 : nil)
            })
    }
}

/// A share in percent, with two decimals.
private func percent(_ share: Double) -> Double { (share * 10_000).rounded() / 100 }
