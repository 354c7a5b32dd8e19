import Balancing
import Discovery
import EnvoyAPI
import MeshConfiguration
import XDS

/// Turns what the registry tells into what is served.
///
/// Works on the services that changed, for the viewers that somebody asked for; all else stays as it is.
struct SnapshotBuilder {
    private typealias ServedService = Configuration.ServedService

    /// What became of a change.
    struct Outcome {
        var publication: Publication
        /// The services that were assigned anew.
        var changed: [ServiceName]
        /// When to build again even if nothing changes.
        var next: ContinuousClock.Instant?
    }

    private var clusters: [Cluster] = []
    private var roster: Roster?
    private var services: [ServiceName: ServedService] = [:]
    private var template: Configuration.ServiceTemplate?
    private var pods: [ServiceName: [ClusterName: [Pod]]] = [:]
    private var renewals = RenewalTracker()
    private var inForce: [ServiceName: [ClusterName: Renewal]] = [:]
    /// When a service's renewals go on.
    private var renewAt: [ServiceName: ContinuousClock.Instant] = [:]
    private var builders: [Viewer: ViewBuilder] = [:]
    private var problems: [ServiceName: Set<String>] = [:]

    /// The snapshot after these changes, at that time.
    mutating func build(
        _ changes: RegistryChanges, for demand: Set<Viewer>, at now: ContinuousClock.Instant
    ) -> Outcome {
        var due = Set(changes.pods.keys)
        var isWhole = false
        let lastRoster = roster
        if let configuration = changes.configuration {
            pods = [:]
            due.formUnion(take(configuration, at: now))
            isWhole = true
        }
        pods.merge(changes.pods) { $1 }
        if let template {
            for name in changes.pods.keys where services[name] == nil { services[name] = template.served(as: name) }
        }
        due = due.filter { services[$0] != nil }
        for (name, time) in renewAt where time <= now { due.insert(name) }

        let viewers = viewers(demand)
        for viewer in viewers {
            if builders[viewer] == nil {
                builders[viewer] = ViewBuilder()
                // For this one, everything is new.
                replacePaths(of: viewer, at: now)
                for name in services.keys where !isWhole && !due.contains(name) {
                    rebuild(name, for: [viewer], at: now)
                }
            } else if isWhole {
                replacePaths(of: viewer, at: now)
            }
        }
        for name in due {
            renew(name, at: now)
            rebuild(name, for: viewers, at: now)
        }

        var views: [Viewer: Snapshot.View] = [:]
        for viewer in viewers {
            builders[viewer]?.expire(at: now)
            views[viewer] = builders[viewer]?.takeView()
        }
        let roster = roster ?? Roster(defaultCluster: ClusterName(rawValue: ""), clusters: [], leds: false)
        let snapshot = Snapshot(
            roster: roster, views: views, problems: Set(problems.values.joined()))
        return Outcome(
            publication: Publication(snapshot, hasNewRoster: roster != lastRoster),
            changed: due.sorted(),
            next: (builders.values.compactMap(\.next) + renewAt.values).min()
        )
    }

    /// Puts a configuration in force.
    ///
    /// - Returns: the services, all of which have to be looked at.
    private mutating func take(_ configuration: Configuration, at now: ContinuousClock.Instant) -> Set<ServiceName> {
        clusters = configuration.clusters.map(\.cluster)
        roster = Roster(
            defaultCluster: configuration.cluster, clusters: Set(clusters.map(\.name)),
            access: configuration.xds.access, exports: configuration.exports, leds: configuration.xds.leds)
        let last = services
        services = Dictionary(uniqueKeysWithValues: configuration.services.map { ($0.service.name, $0) })
        template = configuration.template
        // Those that nobody listed stay, as the template says now.
        if let template {
            for name in last.keys where services[name] == nil { services[name] = template.served(as: name) }
        }
        renewals.keep(Set(services.keys))
        builders = builders.filter { roster?.clusters.contains($0.key.cluster) == true }
        for name in last.keys where services[name] == nil {
            for viewer in builders.keys { builders[viewer]?.remove(name, at: now) }
            problems[name] = nil
            renewAt[name] = nil
            inForce[name] = nil
        }
        return Set(services.keys)
    }

    /// Those whose views are built, in each cluster the plain ones first: those that somebody asked for, and gateways.
    ///
    /// A gateway asks when the first client comes, who may have endpoints that have just been taken away: its view has
    /// to know what was there before.
    private func viewers(_ demand: Set<Viewer>) -> [Viewer] {
        let gateways = clusters.filter { !$0.gateways.isEmpty }.map { Viewer(cluster: $0.name, audience: .gateway) }
        return demand.filter { roster?.clusters.contains($0.cluster) == true }
            .union(builders.keys).union(gateways).sorted()
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

    private mutating func replacePaths(of viewer: Viewer, at now: ContinuousClock.Instant) {
        let mesh = Mesh(clusters: clusters, pods: [:])
        builders[viewer]?.replace(.paths, with: mesh.paths(for: viewer), like: nil, at: now)
        builders[viewer]?.reduced = mesh.reduced(for: viewer)
    }

    private mutating func rebuild(_ name: ServiceName, for viewers: [Viewer], at now: ContinuousClock.Instant) {
        guard let service = services[name] else { return }
        let mesh = mesh(of: name)
        var assignments: [Viewer: Assignment] = [:]
        // Most viewers see what the plain ones see: that is worked out once, and kept and encoded once.
        for viewer in Set((auditors + viewers.filter { $0.peer == nil }).map(mesh.twin)) {
            assignments[viewer] = mesh.assign(
                service.service, from: viewer.cluster, for: viewer.audience, renewals: inForce[name] ?? [:])
        }
        for viewer in viewers where viewer.peer == nil {
            guard let assignment = assignments[mesh.twin(of: viewer)] else { continue }
            let plain = Viewer(cluster: viewer.cluster, audience: .plain)
            let other = viewer == plain ? nil : builders[plain]
            builders[viewer]?.replace(
                .service(name), with: mesh.contents(of: service, assignment, for: viewer),
                like: other, at: now)
            if viewer.usesLEDS { builders[viewer]?.list(name, assignment) }
            builders[viewer]?.describe(service.service, assignment)
        }
        for viewer in viewers where viewer.peer != nil {
            let contents = roster?.exported(service.service.name, to: viewer, in: mesh) ?? []
            builders[viewer]?.replace(.service(name), with: contents, like: nil, at: now)
        }
        let found = assignments.values.flatMap(\.problems).map { "\(name) in \($0.cluster): \($0.problem)" }
        // One viewer's says nothing about the others'.
        let known = viewers.count == builders.count ? [] : problems[name] ?? []
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
