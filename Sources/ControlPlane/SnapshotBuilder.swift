import Balancing
import Discovery
import EnvoyAPI
import MeshConfiguration
import XDS

/// Turns what the registry knows into what is served.
///
/// Remembers the last outcome, so that a service that hasn't changed is neither assigned nor encoded again.
struct SnapshotBuilder {
    private typealias ServedService = Configuration.ServedService

    /// All that one service's resources depend on.
    private struct Input: Hashable {
        var service: ServedService
        var clusters: [Cluster]
        var pods: [ClusterName: [Pod]]
        var renewals: [ClusterName: Renewal]
    }

    private struct Output {
        var store = ResourceStore()
        var status: ServiceStatus
    }

    /// A snapshot, and what became of it.
    struct Outcome {
        var snapshot: Snapshot
        /// The services that were assigned anew.
        var changed: [ServiceName]
        /// When to build again even if nothing changes.
        var next: ContinuousClock.Instant?
    }

    private var inputs: [ServiceName: Input] = [:]
    private var outputs: [ServiceName: [Viewer: Output]] = [:]
    private var paths: [Viewer: ResourceStore] = [:]
    private var renewals = RenewalTracker()
    private var retirement = Retirement()
    private var last: [Viewer: Snapshot.View] = [:]

    /// The snapshot of that state at that time.
    mutating func build(_ state: RegistryState, at now: ContinuousClock.Instant) -> Outcome {
        let services = state.configuration.services
        let names = Set(services.map(\.service.name))
        inputs = inputs.filter { names.contains($0.key) }
        outputs = outputs.filter { names.contains($0.key) }
        renewals.keep(names)

        var changed: [ServiceName] = []
        var next: ContinuousClock.Instant?
        for service in services {
            let name = service.service.name
            let (renewals, renewAt) = renewals.update(name, in: state.mesh, at: now)
            next = [next, renewAt].compactMap(\.self).min()
            let input = Input(
                service: service, clusters: state.mesh.clusters, pods: state.mesh.pods.compactMapValues { $0[name] },
                renewals: renewals
            )
            guard inputs[name] != input else { continue }
            inputs[name] = input
            changed.append(name)
            outputs[name] = output(service, in: state.mesh, renewals: renewals, last: outputs[name] ?? [:])
        }

        var views: [Viewer: Snapshot.View] = [:]
        for viewer in state.mesh.viewers {
            views[viewer] = view(of: viewer, services: services, in: state.mesh, at: now)
        }
        retirement.keep(Set(views.keys))
        last = views
        return Outcome(
            snapshot: Snapshot(
                defaultCluster: state.configuration.cluster, views: views, access: state.configuration.xds.access),
            changed: changed,
            next: [next, retirement.next].compactMap(\.self).min()
        )
    }

    private mutating func view(
        of viewer: Viewer, services: [ServedService], in mesh: Mesh, at now: ContinuousClock.Instant
    ) -> Snapshot.View {
        let outputs = services.compactMap { self.outputs[$0.service.name]?[viewer] }
        paths[viewer, default: ResourceStore()].replace(with: mesh.paths(for: viewer), like: nil)
        var resources: [TypeURL: [ServedResource]] = [:]
        for store in outputs.map(\.store) + [paths[viewer]].compactMap(\.self) {
            resources.merge(store.resources, uniquingKeysWith: +)
        }
        var view = Snapshot.View(
            resources: resources.mapValues(ResourceIndex.init), services: outputs.map(\.status),
            reduced: mesh.reduced(for: viewer)
        )
        // A type of which nothing is left is still a type of which something may have gone.
        for type in last[viewer]?.resources.keys ?? [:].keys where view.resources[type] == nil {
            view.resources[type] = ResourceIndex()
        }
        retirement.extend(&view.resources, of: viewer, after: last[viewer]?.resources ?? [:], at: now)
        return view
    }

    private func output(
        _ service: ServedService, in mesh: Mesh, renewals: [ClusterName: Renewal], last: [Viewer: Output]
    ) -> [Viewer: Output] {
        var outputs: [Viewer: Output] = [:]
        for viewer in mesh.viewers {
            // Most viewers see what the plain ones see: that is worked out, encoded and kept once.
            let plain = Viewer(cluster: viewer.cluster, audience: .plain)
            let shared = mesh.seesTheSame(viewer, as: plain) ? outputs[plain]?.status.assignment : nil
            let assignment =
                shared
                ?? mesh.assign(service.service, from: viewer.cluster, for: viewer.audience, renewals: renewals)
            var store = last[viewer]?.store ?? ResourceStore()
            store.replace(with: mesh.contents(of: service, assignment, for: viewer), like: outputs[plain]?.store)
            outputs[viewer] = Output(
                store: store,
                status: ServiceStatus(
                    service: service.service,
                    resources: (store.resources[.clusterLoadAssignment] ?? []).sorted { $0.name < $1.name }
                        .map { VersionedName(name: $0.name, version: $0.version) },
                    assignment: assignment
                )
            )
        }
        return outputs
    }
}

extension Mesh {
    /// Everyone who can look at it; in each cluster the plain audience first.
    fileprivate var viewers: [Viewer] {
        clusters.flatMap { cluster in Audience.allCases.map { Viewer(cluster: cluster.name, audience: $0) } }
    }

    /// Whether a viewer is assigned the same endpoints as a plain one of its cluster.
    fileprivate func seesTheSame(_ viewer: Viewer, as plain: Viewer) -> Bool {
        switch viewer.audience {
        case .plain, .gateway, .grpc: false
        case .lanes: reduced(for: plain).isEmpty
        }
    }
}
