import Balancing
import Discovery
import EnvoyAPI
import MeshConfiguration
import XDS

/// Turns what the registry knows into what is served.
///
/// Remembers the last outcome, so that a service that hasn't changed is neither assigned nor encoded again, and keeps
/// its slices.
struct SnapshotBuilder {
    private typealias ServedService = Configuration.ServedService

    /// All that one service's resources depend on.
    private struct Input: Hashable {
        var service: ServedService
        var clusters: [Cluster]
        var pods: [ClusterName: [Pod]]
    }

    private struct Output {
        var resources: [ServedResource]
        var status: ServiceStatus
    }

    private var inputs: [ServiceName: Input] = [:]
    private var outputs: [ServiceName: [ClusterName: Output]] = [:]

    /// The snapshot of that state, and the names of the services that were assigned anew.
    mutating func build(_ state: RegistryState) -> (snapshot: Snapshot, changed: [ServiceName]) {
        let services = state.configuration.services
        let names = Set(services.map(\.service.name))
        inputs = inputs.filter { names.contains($0.key) }
        outputs = outputs.filter { names.contains($0.key) }

        var changed: [ServiceName] = []
        for service in services {
            let name = service.service.name
            let input = Input(
                service: service, clusters: state.mesh.clusters, pods: state.mesh.pods.compactMapValues { $0[name] }
            )
            guard inputs[name] != input else { continue }
            inputs[name] = input
            changed.append(name)
            var next: [ClusterName: Output] = [:]
            for cluster in state.mesh.clusters {
                next[cluster.name] = output(
                    service, for: cluster.name, in: state.mesh, last: outputs[name]?[cluster.name])
            }
            outputs[name] = next
        }

        var views: [ClusterName: Snapshot.View] = [:]
        for cluster in state.mesh.clusters {
            let outputs = services.compactMap { self.outputs[$0.service.name]?[cluster.name] }
            views[cluster.name] = Snapshot.View(
                resources: [.clusterLoadAssignment: ResourceIndex(outputs.flatMap(\.resources))],
                services: outputs.map(\.status)
            )
        }
        return (Snapshot(defaultCluster: state.configuration.cluster, views: views), changed)
    }

    private func output(_ service: ServedService, for cluster: ClusterName, in mesh: Mesh, last: Output?) -> Output {
        let assignment = mesh.assign(service.service, from: cluster)
        let resources = service.resources.map { name in
            let encoded = EncodedResource(assignment, name: ResourceName(rawValue: name))
            let known = last?.resources.first { $0.name == encoded.name && $0.version == encoded.version }
            return known ?? ServedResource(encoded)
        }
        return Output(
            resources: resources,
            status: ServiceStatus(
                service: service.service,
                resources: resources.map { VersionedName(name: $0.name, version: $0.version) },
                assignment: assignment
            )
        )
    }
}
