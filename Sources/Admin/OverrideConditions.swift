import Balancing
import AdminAPI
import Analysis
import ControlPlane
import Foundation
import Model
import Overrides
import Serving
import Snapshots

/// Finds what keeps overrides from their full effect at one moment.
struct OverrideConditions {
    private let current: [Override]
    private let tunings: Tunings
    private let builder: SnapshotBuilder
    private let reported: Set<ServiceName>
    private let history: LoadHistory
    private let now: Date

    /// - Parameter reported: the services to which clients reported requests lately.
    init(
        _ book: OverrideBook, _ builder: SnapshotBuilder, reported: Set<ServiceName>, history: LoadHistory, at now: Date
    ) {
        self.history = history
        current = book.current(at: now)
        tunings = Tunings(book, at: now)
        self.builder = builder
        self.reported = reported
        self.now = now
    }

    /// The override's page, with its conditions.
    func page(_ override: Override) -> OverridePage {
        var page = OverridePage(override, at: now)
        guard page.phase != .ended else { return page }
        if let newer = successor(of: override) {
            page.conditions.append(
                OverridePage.Condition(type: .superseded, says: "the shares of override \(newer) count instead"))
        }
        if page.level > 0, override.spec.shares != nil || override.spec.drain != nil || override.spec.multiplier != nil
        {
            page.conditions += limits(of: override.spec)
        }
        if override.spec.ramp != nil || override.spec.abort != nil, !hasReports(override.spec) {
            page.conditions.append(
                OverridePage.Condition(
                    type: .noData, says: "no client reported requests to \(override.spec.service) in the last 30 s"))
        }
        if !hasBaseline(override) {
            page.conditions.append(
                OverridePage.Condition(
                    type: .noData,
                    says: """
                        fewer than \(AbortJudge.fewestBefore) requests are known from the five minutes before it \
                        started, so limits that compare with them are not judged
                        """))
        }
        return page
    }

    /// Whether what was reported before the start suffices for the limits that compare with it.
    private func hasBaseline(_ override: Override) -> Bool {
        guard let abort = override.spec.abort, abort.errors?.times != nil || abort.latency != nil else { return true }
        guard override.start <= now else { return true }
        return history.baseline(of: override).values.contains { $0.errors.requests >= AbortJudge.fewestBefore }
    }

    /// The newest override whose shares count instead: it names every part that this one names, for its views, and has
    /// its full effect.
    ///
    /// Otherwise the older shares still divide what the newer ones leave.
    private func successor(of override: Override) -> String? {
        guard override.spec.shares != nil, let place = current.firstIndex(where: { $0.id == override.id }) else {
            return nil
        }
        return current[(place + 1)...].last { newer in
            guard let shares = newer.spec.shares, OverrideTimeline(newer).state(at: now).level == .whole,
                Set(shares.keys).isSuperset(of: (override.spec.shares ?? [:]).keys)
            else { return false }
            let isSameService = newer.spec.service == override.spec.service || newer.spec.service == "*"
            guard let views = newer.spec.views else { return isSameService }
            return isSameService && override.spec.views.map { Set(views).isSuperset(of: $0) } == true
        }?.id
    }

    /// The limits that hold the override's clusters back, in its first view.
    private func limits(of spec: OverrideSpec) -> [OverridePage.Condition] {
        let view = spec.views?.first.map(ClusterName.init(rawValue:)) ?? builder.ownCluster
        let name = spec.service == "*" ? builder.names.min() : ServiceName(rawValue: spec.service)
        guard let name,
            let assignment = builder.assignment(
                of: name, for: ClientView(cluster: view, kind: .lanes), with: tunings)
        else { return [] }
        let clusters = spec.clusters
        return assignment.limited.filter { clusters.contains($0.cluster) }.map {
            OverridePage.Condition(type: .limited, says: "\($0.cluster): \($0.sentence)")
        }
    }

    private func hasReports(_ spec: OverrideSpec) -> Bool {
        spec.service == "*" ? !reported.isEmpty : reported.contains(ServiceName(rawValue: spec.service))
    }
}

extension OverrideSpec {
    /// The clusters that it names.
    fileprivate var clusters: Set<ClusterName> {
        Set((shares ?? [:]).keys.map { Self.part($0).cluster })
            .union([drain, multiplier?.target].compactMap { $0.map { ClusterName(rawValue: $0.cluster) } })
    }
}
