public import Balancing
public import Discovery
import Foundation
public import Intent
public import Model
public import Overrides

/// Turns changes of the registry and of the intent into snapshots.
///
/// Recomputes only services that changed, and only for views that are in use. A value without a clock: the caller
/// passes the time.
public struct SnapshotBuilder: Sendable {
    /// The result of `build`.
    public struct Outcome {
        /// The new snapshot, ready to publish.
        public var publication: Publication
        /// When to build again even if nothing changes; nil for never.
        public var next: ContinuousClock.Instant?
        /// For each cluster, the publication that its gateways must answer (ACK or NACK) before clients get the rest of
        /// the changes.
        public var awaitedGateways: [ClusterName: UInt64]
    }

    private var intent: MeshIntent?
    /// The effects of overrides.
    public private(set) var tunings = Tunings.none
    private var gateways: [ClusterName: [SocketAddress]] = [:]
    /// The clusters of `intent` with the addresses of `gateways`.
    private var clusters: [Cluster] = []
    private var federation = Federation(ownCluster: ClusterName(rawValue: ""), clusters: [])
    private var catalog = ServiceCatalog()
    private var announcements = Announcements()
    private var published = PublishedPods.none
    private var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    private var renewals = RenewalTracker()
    private var inForce: [ServiceName: [ClusterName: Renewal]] = [:]
    /// When the renewals of each service are due next.
    private var renewAt: [ServiceName: ContinuousClock.Instant] = [:]
    private var builders: [ViewKey: ViewBuilder] = [:]
    private var problems: [ServiceName: Set<String>] = [:]
    /// Whether clients are served, or only peers.
    private var isComplete = false
    /// Since when this cluster's own source is stale; nil if it isn't.
    private var staleSince: Date?
    /// The number of the last publication.
    private var number: UInt64 = 0
    /// The number of services that the last `build` assigned.
    package private(set) var assignedCount = 0

    /// Creates a builder without intent or pods.
    public init() {}

    /// Whether `build` needs the publications that clients have answered.
    public func waitsForClients(at now: ContinuousClock.Instant) -> Bool {
        builders.values.contains { $0.waitsForClients(at: now) }
    }

    /// The names of all services that are served.
    public var names: Set<ServiceName> { catalog.names }

    /// The facts of a service that `ChangeLog` compares.
    public func facts(of name: ServiceName) -> ChangeLog.Facts {
        ChangeLog.Facts(
            service: catalog[name]?.service, clusters: clusters, client: federation.ownCluster, pods: pods[name] ?? [:],
            tuning: tunings.tuning(of: name, for: federation.ownCluster, isGateway: false))
    }

    /// The services whose effects by overrides differ from those in force.
    public func servicesChanged(by next: Tunings) -> Set<ServiceName> {
        guard next != tunings else { return [] }
        let candidates: Set<ServiceName> =
            if let some = tunings.services, let others = next.services {
                some.union(others).intersection(catalog.names)
            } else { catalog.names }
        return candidates.filter { !tunings.isSame(as: next, for: $0) }
    }

    /// What a view would be served of a service with these overrides; nil if there is no such service or cluster.
    ///
    /// - Parameter losses: what is assumed to be down.
    public func assignment(
        of name: ServiceName, for view: ClientView, with tunings: Tunings, without losses: [Loss] = []
    ) -> Assignment? {
        guard let service = catalog[name], federation.clusters.contains(view.cluster) else { return nil }
        var mesh = announced(mesh(of: name), of: name, to: .client(view))
        for loss in losses { mesh.lose(loss) }
        return mesh.assign(
            service.service, from: view.cluster, for: view.kind, renewals: inForce[name] ?? [:],
            tuning: tunings.tuning(of: name, for: view.cluster, isGateway: view.kind == .gateway))
    }

    /// The clusters, with their gateways.
    public var meshClusters: [Cluster] { clusters }

    /// The pods of a service by cluster.
    public func pods(of name: ServiceName) -> [ClusterName: [Pod]] { pods[name] ?? [:] }

    /// A service as it is configured; nil if there is none.
    public func service(_ name: ServiceName) -> Service? { catalog[name]?.service }

    /// The intent in force; nil before the first.
    public var currentIntent: MeshIntent? { intent }

    /// The cluster of clients that don't name one.
    public var ownCluster: ClusterName { federation.ownCluster }

    /// The names of all clusters.
    public var clusterNames: Set<ClusterName> { federation.clusters }

    /// Builds the snapshot after these changes.
    ///
    /// - Parameters:
    ///   - wanted: the views that are in use.
    ///   - tunings: the effects of overrides.
    ///   - published: the pods that Istio's gateways lead to.
    ///   - progress: the publications that clients and gateways have answered.
    /// - Returns: nil if the task was cancelled; building then stops after the current service.
    public mutating func build(
        _ changes: RegistryChanges, for wanted: Set<ViewKey>, tunings: Tunings = .none,
        published: PublishedPods = .none, progress: ClientProgress = ClientProgress(), at now: ContinuousClock.Instant
    ) -> Outcome? {
        number += 1
        assignedCount = 0
        let moment = Moment(time: now, publication: number)
        let lastFederation = federation
        let isFirst = changes.isComplete && !isComplete
        isComplete = changes.isComplete
        let changesStatus = staleSince != changes.ownStaleSince
        staleSince = changes.ownStaleSince

        var due = apply(changes.intent, changes.gateways, progress, at: moment)
        for (name, next) in changes.pods { due.formUnion(replacePods(of: name, with: next, progress, at: moment)) }
        due.formUnion(catalog.expire(at: now))
        due.formUnion(servicesChanged(by: tunings))
        let changesPaths = tunings.ofEveryService != self.tunings.ofEveryService
        self.tunings = tunings
        due.formUnion(published.differences(from: self.published).intersection(catalog.names))
        let changesGateways = published.gateways != self.published.gateways
        if changesGateways { due.formUnion(catalog.names) }
        self.published = published
        let settled = announcements.settle(at: now, gateways: progress.gateways)
        due.formUnion(settled.services)
        if isFirst || settled.reach { due.formUnion(catalog.names) }
        for (name, time) in renewAt where time <= now { due.insert(name) }

        let views = views(wanted)
        replacePaths(
            of: views,
            all: !(changes.intent == nil && changes.gateways.isEmpty) || settled.reach || changesPaths
                || changesGateways,
            peers: changesStatus, but: due, at: moment)
        for name in due where !Task.isCancelled {
            guard catalog[name] != nil else {
                forget(name, at: moment)
                continue
            }
            (inForce[name], renewAt[name]) = renewals.update(name, in: mesh(of: name), at: now)
            rebuild(name, for: views, audits: isComplete, at: moment)
        }
        guard !Task.isCancelled else { return nil }

        var built: [ViewKey: Snapshot.View] = [:]
        for key in views {
            builders[key]?.expire(at: now, answeredByClients: progress.clients)
            built[key] = builders[key]?.takeView()
        }
        let snapshot = Snapshot(
            number: number, isComplete: isComplete, federation: federation, views: built,
            problems: Set(problems.values.joined()).union(catalog.problems))
        let times = builders.values.map { $0.next(after: now) } + [catalog.next, announcements.next]
        return Outcome(
            publication: Publication(snapshot, changesFederation: federation != lastFederation),
            next: (times.compactMap(\.self) + renewAt.values).min(), awaitedGateways: announcements.awaited)
    }

    // MARK: Changes

    /// Applies a new intent and new gateway addresses.
    ///
    /// - Returns: the services to rebuild.
    private mutating func apply(
        _ change: IntentChange?, _ newGateways: [ClusterName: [SocketAddress]], _ progress: ClientProgress,
        at moment: Moment
    ) -> Set<ServiceName> {
        guard change != nil || !newGateways.isEmpty else { return [] }
        if let change { intent = change.intent }
        guard let intent else { return [] }
        let last = clusters
        for (name, addresses) in newGateways { gateways[name] = addresses }
        clusters = intent.clusters.map { $0.cluster(gateways: gateways[$0.name] ?? []) }
        announcements.note(
            clusters, after: last, in: moment.publication, at: moment.time, gateways: progress.gateways)
        federation = Federation(
            ownCluster: intent.cluster, clusters: Set(clusters.map(\.name)), exports: intent.exports,
            hasTunnels: clusters.contains { $0.reach.kind == .hbone })
        gateways = gateways.filter { federation.clusters.contains($0.key) }
        var due = change.map { apply($0, progress, at: moment) } ?? []
        let direct = { (clusters: [Cluster]) in Set(clusters.filter(\.gateways.isEmpty).map(\.name)) }
        let changesAll =
            change?.changesClusters == true || change?.changesExports == true || direct(last) != direct(clusters)
            || newGateways[intent.cluster] != nil && !intent.exports.isEmpty
        if changesAll { return due.union(catalog.names).union(pods.keys) }
        // Another gateway matters to the services that have pods behind it.
        for (name, pods) in pods where newGateways.keys.contains(where: { pods[$0] != nil }) { due.insert(name) }
        return due
    }

    private mutating func apply(
        _ change: IntentChange, _ progress: ClientProgress, at moment: Moment
    ) -> Set<ServiceName> {
        let names = catalog.names
        var due = catalog.replaceIntent(with: change)
        // With the new intent, an unlisted service may have a template for the first time, or may have been listed
        // before.
        for name in pods.keys where !catalog.knows(name) {
            due.formUnion(catalog.note(name, hasPods: true, at: moment.time))
        }
        for name in names.subtracting(catalog.names) { forget(name, at: moment) }
        renewals.keep(catalog.names)
        // If a service was not served before, its gateways don't know its pods yet.
        for name in catalog.names.subtracting(names) {
            guard let all = pods.removeValue(forKey: name) else { continue }
            due.formUnion(replacePods(of: name, with: all, progress, at: moment))
        }
        return due
    }

    /// - Returns: the services to rebuild.
    private mutating func replacePods(
        of name: ServiceName, with next: [ClusterName: [Pod]], _ progress: ClientProgress, at moment: Moment
    ) -> Set<ServiceName> {
        let next = next.filter { !$0.value.isEmpty }
        announcements.note(
            name, next, after: pods[name] ?? [:], of: clusters, in: moment.publication, at: moment.time,
            gateways: progress.gateways)
        pods[name] = next.isEmpty ? nil : next
        return catalog.note(name, hasPods: !next.isEmpty, at: moment.time)
    }

    private mutating func forget(_ name: ServiceName, at moment: Moment) {
        for key in builders.keys { builders[key]?.remove(name, at: moment) }
        problems[name] = nil
        renewAt[name] = nil
        inForce[name] = nil
        announcements.forget(name)
    }

    // MARK: Views

    /// The views to build: those in use and those of all gateways, plain views first.
    ///
    /// An on-demand gateway subscribes when the first client connects, and the client may use endpoints that have just
    /// been removed. So the gateway's view is kept even when unused, to serve what was removed recently.
    private func views(_ wanted: Set<ViewKey>) -> [ViewKey] {
        let known = wanted.filter { federation.has($0) && (published.isKnown || !leavesOwnNetwork($0)) }
        guard isComplete else { return known.filter { $0.client == nil } }
        let gateways = clusters.filter { !$0.gateways.isEmpty }.map {
            ViewKey.client(ClientView(cluster: $0.name, kind: .gateway))
        }
        let all = known.union(gateways)
        return all.filter { isPlain($0) } + all.filter { !isPlain($0) }
    }

    private func isPlain(_ key: ViewKey) -> Bool { key.client.map { $0 == plain($0) } ?? false }

    /// Whether a view's clients reach this cluster's own pods through gateways.
    private func leavesOwnNetwork(_ key: ViewKey) -> Bool {
        guard let view = key.client else { return true }
        let mesh = Mesh(clusters: clusters, pods: [:])
        return clusters.first { $0.name == federation.ownCluster }?.isDirect(from: mesh.network(of: view.cluster))
            == false
    }

    /// The clusters as a view gets them: without this cluster's gateways that don't lead to the published pods yet.
    private func clusters(for key: ViewKey) -> [Cluster] {
        guard let verified = published.gateways, leavesOwnNetwork(key) else { return clusters }
        return clusters.map { cluster in
            let known = cluster.gateways.filter(verified.contains)
            guard cluster.name == federation.ownCluster, !known.isEmpty else { return cluster }
            var cluster = cluster
            cluster.gateways = known
            return cluster
        }
    }

    /// The plain view of the same cluster.
    private func plain(_ view: ClientView) -> ClientView { ClientView(cluster: view.cluster, kind: .plain) }

    /// Updates the paths to other clusters, and fills new views.
    ///
    /// - Parameters:
    ///   - all: whether to update every view's paths.
    ///   - peers: whether to update every peer's status.
    ///   - due: services that the caller rebuilds afterwards.
    private mutating func replacePaths(
        of views: [ViewKey], all: Bool, peers: Bool, but due: Set<ServiceName>, at moment: Moment
    ) {
        let wanted = Set(views)
        builders = builders.filter { wanted.contains($0.key) }
        for key in views {
            let isNew = builders[key] == nil
            if isNew { builders[key] = ViewBuilder(outlivesClients: key.isGateway) }
            guard isNew || all || peers && key.client == nil else { continue }
            replacePaths(of: key, at: moment)
            guard isNew else { continue }
            for name in catalog.names.subtracting(due) where !Task.isCancelled {
                rebuild(name, for: [key], audits: false, at: moment)
            }
        }
    }

    private mutating func replacePaths(of key: ViewKey, at moment: Moment) {
        guard let view = key.client else {
            builders[key]?.replace(.paths, with: federation.status(staleSince), at: moment)
            return
        }
        let mesh = announced(Mesh(clusters: clusters(for: key), pods: [:]), of: ServiceName(rawValue: ""), to: key)
        let tuning = tunings.tuning(for: view.cluster, isGateway: view.kind == .gateway)
        builders[key]?.replace(.paths, with: mesh.paths(for: view, tuning), at: moment)
        builders[key]?.note(
            reduced: mesh.reduced(for: view), unreached: mesh.unreached(for: view), gatewayed: mesh.gatewayed(for: view)
        )
    }

    // MARK: Services

    /// All clusters and pods of one service.
    private func mesh(of service: ServiceName) -> Mesh { Mesh(clusters: clusters, pods: pods[service] ?? [:]) }

    /// The mesh without what this view doesn't get yet, because gateways have not answered it.
    private func announced(_ mesh: Mesh, of service: ServiceName, to key: ViewKey) -> Mesh {
        var mesh = mesh
        if published.services[service] != nil, leavesOwnNetwork(key) {
            mesh.pods[federation.ownCluster] = published.reachable(mesh.pods[federation.ownCluster] ?? [], of: service)
        }
        if published.gateways != nil { mesh.clusters = clusters(for: key) }
        guard let view = key.client else { return announcements.announced(mesh, of: service, in: nil) }
        guard view.kind != .gateway else { return mesh }
        return announcements.announced(mesh, of: service, in: mesh.network(of: view.cluster))
    }

    /// - Parameter audits: whether to look for problems in all views, used or not.
    private mutating func rebuild(_ name: ServiceName, for views: [ViewKey], audits: Bool, at moment: Moment) {
        guard let service = catalog[name] else { return }
        assignedCount += 1
        let whole = mesh(of: name)
        let clients = views.compactMap(\.client)
        // Most views have the same endpoints as the plain one: these are assigned, kept and encoded once.
        var assignments: [ClientView: Assignment] = [:]
        for view in Set((clients + (audits ? auditedViews : [])).map(whole.equivalent)) {
            assignments[view] = assignment(of: name, for: view, with: tunings)
        }
        for view in clients {
            guard let assignment = assignments[whole.equivalent(to: view)] else { continue }
            let key = ViewKey.client(view)
            let plain = plain(view)
            let contents = announced(whole, of: name, to: key).contents(of: service, assignment, for: view)
            let other = view == plain ? nil : builders[.client(plain)]
            builders[key]?.replace(.service(name), with: contents, sharing: other, at: moment)
            if view.usesLEDS { builders[key]?.replaceEndpoints(of: name, with: assignment) }
            builders[key]?.updateStatus(of: service.service, assignment)
        }
        for case .peer(let peer) in views {
            let mesh = announced(whole, of: name, to: .peer(peer))
            let contents = federation.exported(service.service.name, to: peer, in: mesh)
            builders[.peer(peer)]?.replace(.service(name), with: contents, at: moment)
        }
        let found = assignments.values.flatMap(\.problems).map { "\(name) in \($0.cluster): \($0.problem)" }
        // A rebuild of some views says nothing about the problems of the others.
        let known = audits ? [] : problems[name] ?? []
        problems[name] = found.isEmpty && known.isEmpty ? nil : known.union(found)
    }

    /// The views that are assigned even if unused, so that problems show; they cover every way to reach each cluster.
    private var auditedViews: [ClientView] {
        let needsEveryReach = clusters.contains { $0.reach.kind != .gateway }
        let kinds = ClientKind.allCases.filter { kind in
            kind == .plain || needsEveryReach && kind == .lanes
        }
        return clusters.flatMap { cluster in kinds.map { ClientView(cluster: cluster.name, kind: $0) } }
    }
}

extension Mesh {
    /// The view that has the same endpoints and stands for all that do.
    fileprivate func equivalent(to view: ClientView) -> ClientView {
        let plain = ClientView(cluster: view.cluster, kind: .plain)
        // If no cluster needs more than gateway addresses, clients that support every reach get the same as others.
        let isSame = reduced(for: plain).isEmpty && unreached(for: plain).isEmpty
        if view.kind.capabilities.supportsEveryReach, isSame { return plain }
        return ClientView(cluster: view.cluster, kind: view.kind)
    }
}
