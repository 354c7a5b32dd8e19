import Balancing
import Foundation
import Model
public import Overrides
public import Serving
public import Snapshots

/// Watches overrides in force: stops those whose abort conditions are met, and holds back the steps of ramps until
/// clients have the last one.
///
/// A veto makes things safer only, so each Ballast judges by what its own clients report.
public actor OverrideWatch {
    /// Who makes its transitions.
    public static let author = "ballast"
    /// How often it looks.
    static let interval = Duration.seconds(2)
    /// How long before a step it decides about it; longer than `interval`.
    private static let lead: TimeInterval = 2.5
    /// The most times that it lets one override wait; then it waits for a person.
    private static let maxPauses = 50
    /// How the reasons of its pauses begin that end by themselves.
    private static let waiting = "waits: "

    private struct Watched {
        var judge: AbortJudge?
        /// The clusters whose share the override raises.
        var growing: [ClusterName]
        /// The level that was seen last.
        var level: Tuning.Fraction
        /// Since when it has this level.
        var since: Date
    }

    private let overrides: OverrideController
    private let service: XDSService
    private let history: LoadHistory
    private let builder: @Sendable () async -> SnapshotBuilder
    private var watched: [String: Watched] = [:]
    private var lastSample = Date(timeIntervalSince1970: 0)

    /// Creates a watch.
    ///
    /// - Parameter builder: returns what is in force.
    public init(
        _ overrides: OverrideController, _ service: XDSService, _ history: LoadHistory,
        builder: @escaping @Sendable () async -> SnapshotBuilder
    ) {
        self.overrides = overrides
        self.service = service
        self.history = history
        self.builder = builder
    }

    /// Watches until the task is cancelled.
    public func run() async {
        while (try? await Task.sleep(for: Self.interval)) != nil {
            let now = Date()
            if now.timeIntervalSince(lastSample) >= LoadHistory.interval { await sample(at: now) }
            await look(at: now)
        }
    }

    // MARK: History

    private func sample(at now: Date) async {
        let window = ObservedLoad.total(service.observer.observations(at: .now))
        let last = ObservedLoad.total(
            service.observer.observations(at: .now, since: .now - .seconds(LoadHistory.interval)))
        lastSample = now
        guard !last.isEmpty else { return }
        let builder = await builder()
        let tunings = Tunings(overrides.book, at: now)
        history.add(at: now, last: last, window: window) { name in
            let view = ClientView(cluster: builder.ownCluster, kind: .plain)
            let shares = builder.assignment(of: name, for: view, with: tunings)?.shares ?? []
            return Dictionary(
                shares.map { ($0.cluster, ($0.share, $0.pods.count { $0.weight > 0 })) },
                uniquingKeysWith: { first, _ in first })
        }
    }

    // MARK: Overrides

    private func look(at now: Date) async {
        await overrides.storeReverts()
        let book = overrides.book
        let current = book.current(at: now)
        watched = watched.filter { id, _ in current.contains { $0.id == id } }
        for override in current where override.spec.ramp != nil || override.spec.abort != nil {
            let state = OverrideTimeline(override).state(at: now)
            switch state.phase {
            case .ramping, .paused, .active: await look(at: override, state, book, at: now)
            case .scheduled, .restoring, .ended: continue
            }
        }
    }

    private func look(
        at override: Override, _ state: OverrideTimeline.State, _ book: OverrideBook, at now: Date
    ) async {
        await update(override, state, book, at: now)
        guard var entry = watched[override.id] else { return }
        let observed = { @Sendable [service] (since: Date) in
            ObservedLoad.observed(service.observer, of: override.spec, since: since, now: now)
        }
        let targets = entry.growing.map(\.rawValue)
        let evidence = { (since: Date) in observed(since).evidence(of: override.spec.service, targets) }
        let verdict = state.level > .zero ? entry.judge?.judge(at: now, since: entry.since, evidence) : nil
        watched[override.id] = entry
        if let verdict {
            let action = override.spec.abort?.action ?? .revert
            guard action == .revert || state.phase == .ramping else { return }
            return await append(action, to: override, verdict)
        }
        guard override.spec.ramp != nil else { return }
        switch state.phase {
        case .ramping:
            guard let next = state.next, next.timeIntervalSince(now) <= Self.lead,
                !override.wasResumed(after: entry.since)
            else { return }
            guard let obstacle = await obstacle(override, entry, evidence, at: now) else { return }
            let isLast = override.pauses(by: Self.author) + 1 >= Self.maxPauses
            await append(
                .pause, to: override,
                isLast ? "waited \(Self.maxPauses) times, resume it yourself: \(obstacle)" : Self.waiting + obstacle)
        case .paused:
            guard let last = override.lastTransition, last.by == Self.author, last.reason.hasPrefix(Self.waiting),
                await obstacle(override, entry, evidence, at: now) == nil
            else { return }
            await append(.resume, to: override, "waits no longer")
        case .scheduled, .active, .restoring, .ended: return
        }
    }

    /// Creates or updates what is known about an override.
    private func update(
        _ override: Override, _ state: OverrideTimeline.State, _ book: OverrideBook, at now: Date
    ) async {
        guard watched[override.id]?.level != state.level else { return }
        if watched[override.id] != nil {
            watched[override.id]?.level = state.level
            watched[override.id]?.since = now
            return
        }
        watched[override.id] = Watched(
            judge: override.spec.abort.map { AbortJudge($0, baseline: history.baseline(of: override)) },
            growing: await growing(override, book, at: now), level: state.level,
            since: state.phase == .active ? now : max(override.start, now - AbortJudge.window))
    }

    /// The clusters that get more with the override's full effect than without it.
    private func growing(_ override: Override, _ book: OverrideBook, at now: Date) async -> [ClusterName] {
        let builder = await builder()
        var without = book
        without.remove(override.id)
        let view = override.spec.views?.first.map(ClusterName.init(rawValue:)) ?? builder.ownCluster
        let name = override.spec.service == "*" ? builder.names.min() : ServiceName(rawValue: override.spec.service)
        guard let name else { return [] }
        let shares = { (tunings: Tunings) in
            builder.assignment(of: name, for: ClientView(cluster: view, kind: .plain), with: tunings)?.shares ?? []
        }
        let before = shares(Tunings(without, at: now))
        let after = shares(Tunings(without, at: now, adding: (override.spec, .whole)))
        return zip(before, after).filter { $1.share > $0.share + 1e-6 }.map(\.1.cluster)
    }

    /// Why the next step of a ramp has to wait; nil if it needn't.
    private func obstacle(
        _ override: Override, _ entry: Watched, _ evidence: (Date) -> [String: Evidence], at now: Date
    ) async -> String? {
        let spec = override.spec
        let name = ServiceName(rawValue: spec.service)
        let deliveries = await service.deliveries(of: name).filter {
            spec.views?.contains($0.view.cluster.rawValue) != false
        }
        if let obstacle = StepGate.obstacle(deliveries) { return obstacle }
        guard let judge = entry.judge, entry.level > .zero else { return nil }
        if let suspicion = judge.suspicion { return "\(suspicion), if it lasts" }
        if let missing = judge.missing(in: evidence(entry.since), for: entry.growing.map(\.rawValue)) { return missing }
        let builder = await builder()
        let tunings = Tunings(overrides.book, at: now)
        let views = service.observer.observations(at: .now, since: .now - .seconds(now.timeIntervalSince(entry.since)))
        for (view, services) in views where spec.views?.contains(view.cluster.rawValue) != false {
            guard let load = services[name], view.kind != .gateway else { continue }
            let shares = builder.assignment(of: name, for: view, with: tunings)?.shares ?? []
            let intended = Dictionary(shares.map { ($0.cluster, $0.share) }, uniquingKeysWith: { first, _ in first })
            let observed = intended.keys.map { ($0, load.targets[.cluster($0)]?.issued ?? 0) }
            if let deviation = StepGate.deviation(
                intended: intended, observed: Dictionary(uniqueKeysWithValues: observed))
            {
                return deviation
            }
        }
        return nil
    }

    private func append(_ kind: Override.Transition.Kind, to override: Override, _ reason: String) async {
        // Clients' messages are in it, which may contain anything.
        let reason = String(reason.plain.prefix(300))
        // If it can't be stored, the next look tries again.
        _ = try? await overrides.append(kind, to: override.id, by: Self.author, reason: reason)
    }
}

extension Override {
    fileprivate func pauses(by author: String) -> Int { transitions.count { $0.type == .pause && $0.by == author } }

    /// Whether a person resumed the ramp at its current step: that person decides about the next one.
    fileprivate func wasResumed(after step: Date) -> Bool {
        guard let last = lastTransition else { return false }
        return last.type == .resume && last.by != OverrideWatch.author && last.at >= step
    }
}

extension ObservedLoad {
    /// What the clients of an override's views reported since a time, about its service or about all services.
    fileprivate static func observed(
        _ observer: LoadObserver, of spec: OverrideSpec, since: Date, now: Date
    ) -> ObservedLoad {
        let views = spec.views.map { Set($0.map(ClusterName.init(rawValue:))) }
        let totals = total(
            observer.observations(at: .now, since: .now - .seconds(max(0, now.timeIntervalSince(since)))), of: views)
        if spec.service != "*" { return totals[ServiceName(rawValue: spec.service)] ?? ObservedLoad(window: .zero) }
        return totals.values.reduce(into: ObservedLoad(window: .zero)) { sum, load in
            sum.targets.merge(load.targets.filter { if case .pod = $0.key { false } else { true } }) { $0 + $1 }
            sum.errors.merge(load.errors) { $0 &+ $1 }
        }
    }

    /// The evidence about the service and some of its clusters.
    fileprivate func evidence(of service: String, _ clusters: [String]) -> [String: Evidence] {
        var found = [Evidence.key(of: service): Evidence(targets[.service])]
        for cluster in clusters { found[cluster] = Evidence(targets[.cluster(ClusterName(rawValue: cluster))]) }
        return found.mapValues { evidence in
            var evidence = evidence
            evidence.reporters = errors
            return evidence
        }
    }
}

extension Evidence {
    fileprivate init(_ tally: Tally?) {
        self.init()
        guard let tally else { return }
        errors = ErrorRate(errors: tally.errors, of: tally.ended)
        latency = tally.latency
        metrics = tally.means
    }
}
