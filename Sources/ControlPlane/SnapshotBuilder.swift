import Balancing
import Discovery
import EnvoyAPI
import struct Foundation.Date
import MeshConfiguration
import Model
import XDS

/// Turns what the registry tells into what is served.
///
/// Works on the services that changed, for the viewers that somebody asked for; all else stays as it is.
struct SnapshotBuilder {
    /// What became of a change.
    struct Outcome {
        var publication: Publication
        /// When to build again even if nothing changes.
        var next: ContinuousClock.Instant?
    }

    private var clusters: [Cluster] = []
    private var roster: Roster?
    private var catalog = ServiceCatalog()
    private var announcements: Announcements
    private var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    private var renewals = RenewalTracker()
    private var inForce: [ServiceName: [ClusterName: Renewal]] = [:]
    /// When a service's renewals go on.
    private var renewAt: [ServiceName: ContinuousClock.Instant] = [:]
    private var builders: [Viewer: ViewBuilder] = [:]
    private var problems: [ServiceName: Set<String>] = [:]
    /// Whether clients are served, or only what is exported.
    private var isComplete = false
    /// Since when this cluster's own source is stale; nil if it isn't.
    private var staleSince: Date?
    /// Counts publications.
    private var number: UInt64 = 0

    /// - Parameter gateways: who has to know of pods before clients do.
    init(_ gateways: GatewayProgress) { announcements = Announcements(gateways) }

    /// Whether `build` has to know what clients have taken.
    func waitsForClients(at now: ContinuousClock.Instant) -> Bool {
        builders.values.contains { $0.waitsForClients(at: now) }
    }

    /// The names of all services that are served.
    var names: Set<ServiceName> { catalog.names }

    /// A service, and what its shares depend on.
    func facts(of name: ServiceName) -> ChangeLog.Facts {
        ChangeLog.Facts(
            service: catalog[name]?.service, clusters: clusters,
            client: roster?.defaultCluster ?? ClusterName(rawValue: ""), pods: pods[name] ?? [:])
    }

    /// The snapshot after these changes, at that time.
    ///
    /// - Parameter taken: the newest publication that all clients have taken; 0 where that isn't known.
    /// - Returns: nil if the task was cancelled, which ends the building after any service.
    mutating func build(
        _ changes: RegistryChanges, for demand: Set<Viewer>, clientsHaveTaken taken: UInt64,
        at now: ContinuousClock.Instant
    ) -> Outcome? {
        number += 1
        let moment = Moment(time: now, publication: number)
        let lastRoster = roster
        var due = Set(changes.pods.keys)
        var hasOtherPaths = false
        if let configuration = changes.configuration {
            take(configuration, at: moment)
            due.formUnion(pods.keys)
            due.formUnion(catalog.names)
            hasOtherPaths = true
        }
        let isStatusNew = staleSince != changes.ownStaleSince
        staleSince = changes.ownStaleSince
        if changes.isComplete, !isComplete { due.formUnion(catalog.names) }
        isComplete = changes.isComplete
        for (name, next) in changes.pods { due.formUnion(replacePods(of: name, with: next, at: moment)) }
        due.formUnion(catalog.expire(at: now))
        let settled = announcements.settle(at: now)
        due.formUnion(settled.services)
        if settled.reach {
            due.formUnion(catalog.names)
            hasOtherPaths = true
        }
        for (name, time) in renewAt where time <= now { due.insert(name) }

        let viewers = viewers(demand)
        builders = builders.filter { viewers.contains($0.key) }
        for viewer in viewers {
            if builders[viewer] == nil {
                builders[viewer] = ViewBuilder(outlivesClients: viewer.audience == .gateway)
                // For this one, everything is new.
                replacePaths(of: viewer, at: moment)
                for name in catalog.names.subtracting(due) where !Task.isCancelled {
                    rebuild(name, for: [viewer], audits: false, at: moment)
                }
            } else if hasOtherPaths || isStatusNew && viewer.peer != nil {
                replacePaths(of: viewer, at: moment)
            }
        }
        for name in due where !Task.isCancelled {
            guard catalog[name] != nil else {
                forget(name, at: moment)
                continue
            }
            renew(name, at: now)
            rebuild(name, for: viewers, audits: isComplete, at: moment)
        }

        guard !Task.isCancelled else { return nil }

        var views: [Viewer: Snapshot.View] = [:]
        for viewer in viewers {
            builders[viewer]?.expire(at: now, clientsHaveTaken: taken)
            views[viewer] = builders[viewer]?.takeView()
        }
        let roster = roster ?? Roster(defaultCluster: ClusterName(rawValue: ""), clusters: [], leds: false)
        let snapshot = Snapshot(
            number: number, isComplete: isComplete, roster: roster, views: views,
            problems: Set(problems.values.joined()).union(catalog.problems))
        let times = builders.values.map { $0.next(after: now) } + [catalog.next, announcements.next]
        return Outcome(
            publication: Publication(snapshot, hasNewRoster: roster != lastRoster),
            next: (times.compactMap(\.self) + renewAt.values).min()
        )
    }

    /// Puts a configuration in force.
    private mutating func take(_ configuration: Configuration, at moment: Moment) {
        let last = clusters
        clusters = configuration.clusters.map(\.cluster)
        announcements.note(clusters, after: last, in: moment.publication, at: moment.time)
        roster = Roster(
            defaultCluster: configuration.cluster, clusters: Set(clusters.map(\.name)),
            access: configuration.xds.access, exports: configuration.exports, leds: configuration.xds.leds)
        let names = catalog.names
        catalog.configure(configuration)
        renewals.keep(catalog.names)
        for name in names.subtracting(catalog.names) { forget(name, at: moment) }
        // What gateways have not been told of a service before is new to them.
        for name in catalog.names.subtracting(names) { pods[name] = nil }
        // Clusters that are gone have no pods any more.
        for name in pods.keys {
            let left = pods[name]?.filter { roster?.clusters.contains($0.key) == true }
            if left?.count != pods[name]?.count { _ = replacePods(of: name, with: left ?? [:], at: moment) }
        }
    }

    /// - Returns: the services that have to be looked at.
    private mutating func replacePods(
        of name: ServiceName, with next: [ClusterName: [Pod]], at moment: Moment
    ) -> Set<ServiceName> {
        let next = next.filter { !$0.value.isEmpty }
        announcements.note(
            name, next, after: pods[name] ?? [:], of: clusters, in: moment.publication, at: moment.time)
        pods[name] = next.isEmpty ? nil : next
        return catalog.note(name, hasPods: !next.isEmpty, at: moment.time)
    }

    private mutating func forget(_ name: ServiceName, at moment: Moment) {
        for viewer in builders.keys { builders[viewer]?.remove(name, at: moment) }
        problems[name] = nil
        renewAt[name] = nil
        inForce[name] = nil
        announcements.forget(name)
    }

    /// Those whose views are built, in each cluster the plain ones first: those that somebody wants, and gateways.
    ///
    /// A gateway asks when the first client comes, who may have endpoints that have just been taken away: its view has
    /// to know what was there before.
    private func viewers(_ demand: Set<Viewer>) -> [Viewer] {
        let wanted = demand.filter { roster?.clusters.contains($0.cluster) == true }
        guard isComplete else { return wanted.filter { $0.peer != nil }.sorted() }
        let gateways = clusters.filter { !$0.gateways.isEmpty }.map { Viewer(cluster: $0.name, audience: .gateway) }
        return wanted.union(gateways).sorted()
    }

    /// Those for whom assignments are worked out even if nobody looks, so that problems show: all ways to reach each
    /// cluster are among theirs.
    private var auditors: [Viewer] {
        let isReduced = clusters.contains { $0.reach.kind != .gateway }
        return clusters.flatMap { cluster in
            ([.plain] + (isReduced ? [.lanes] : [])).map { Viewer(cluster: cluster.name, audience: $0) }
        }
    }

    private mutating func renew(_ name: ServiceName, at now: ContinuousClock.Instant) {
        (inForce[name], renewAt[name]) = renewals.update(name, in: mesh(of: name), at: now)
    }

    /// All that there is of one service.
    private func mesh(of service: ServiceName) -> Mesh {
        Mesh(clusters: clusters, pods: (pods[service] ?? [:]).mapValues { [service: $0] })
    }

    /// What a viewer may know of it.
    private func announced(_ mesh: Mesh, of service: ServiceName, to viewer: Viewer) -> Mesh {
        guard viewer.audience != .gateway else { return mesh }
        let network = clusters.first { $0.name == viewer.cluster }?.network ?? viewer.cluster.rawValue
        return announcements.announced(mesh, of: service, in: viewer.peer == nil ? network : nil)
    }

    private mutating func replacePaths(of viewer: Viewer, at moment: Moment) {
        guard viewer.peer == nil else {
            builders[viewer]?.replace(.paths, with: roster?.status(staleSince) ?? [], like: nil, at: moment)
            return
        }
        let mesh = announced(Mesh(clusters: clusters, pods: [:]), of: ServiceName(rawValue: ""), to: viewer)
        builders[viewer]?.replace(.paths, with: mesh.paths(for: viewer), like: nil, at: moment)
        builders[viewer]?.reduced = mesh.reduced(for: viewer)
        builders[viewer]?.gatewayed = mesh.gatewayed(for: viewer)
    }

    /// - Parameter audits: whether problems are looked for in every view.
    private mutating func rebuild(_ name: ServiceName, for viewers: [Viewer], audits: Bool, at moment: Moment) {
        guard let service = catalog[name] else { return }
        let whole = mesh(of: name)
        var assignments: [Viewer: Assignment] = [:]
        // Most viewers see what the plain ones see: that is worked out once, and kept and encoded once.
        for viewer in Set(((audits ? auditors : []) + viewers.filter { $0.peer == nil }).map(whole.twin)) {
            assignments[viewer] = announced(whole, of: name, to: viewer).assign(
                service.service, from: viewer.cluster, for: viewer.audience, renewals: inForce[name] ?? [:])
        }
        for viewer in viewers where viewer.peer == nil {
            guard let assignment = assignments[whole.twin(of: viewer)] else { continue }
            let plain = Viewer(cluster: viewer.cluster, audience: .plain)
            let other = viewer == plain ? nil : builders[plain]
            let mesh = announced(whole, of: name, to: viewer)
            builders[viewer]?.replace(
                .service(name), with: mesh.contents(of: service, assignment, for: viewer),
                like: other, at: moment)
            if viewer.usesLEDS { builders[viewer]?.list(name, assignment) }
            builders[viewer]?.describe(service.service, assignment)
        }
        for viewer in viewers where viewer.peer != nil {
            let mesh = announced(whole, of: name, to: viewer)
            let contents = roster?.exported(service.service.name, to: viewer, in: mesh) ?? []
            builders[viewer]?.replace(.service(name), with: contents, like: nil, at: moment)
        }
        let found = assignments.values.flatMap(\.problems).map { "\(name) in \($0.cluster): \($0.problem)" }
        // One viewer's says nothing about the others'.
        let known = audits ? [] : problems[name] ?? []
        problems[name] = found.isEmpty && known.isEmpty ? nil : known.union(found)
    }
}

extension Mesh {
    /// Who is assigned the same endpoints: a plain viewer of the cluster, where there is nothing more to be seen.
    fileprivate func twin(of viewer: Viewer) -> Viewer {
        let plain = Viewer(cluster: viewer.cluster, audience: .plain)
        switch viewer.audience {
        case .plain: return plain
        case .lanes where reduced(for: plain).isEmpty: return plain
        case .lanes, .gateway, .grpc: return Viewer(cluster: viewer.cluster, audience: viewer.audience)
        }
    }
}
