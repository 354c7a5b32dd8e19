import Balancing
import EnvoyAPI
import MeshConfiguration
import XDS

extension Roster {
    /// What another Ballast is told of a service: this cluster's own pods, if the service is exported to it.
    ///
    /// What was imported is never exported: only the pods of the cluster that this Ballast serves are looked at, and
    /// those can't be imported where there are exports. So nothing goes round in circles.
    func exported(_ service: ServiceName, to viewer: Viewer, in mesh: Mesh) -> [NamedContent] {
        guard let export = exports.first(where: { $0.peer == viewer.peer }), export.includes(service),
            let own = mesh.clusters.first(where: { $0.name == defaultCluster })
        else { return [] }
        let exported = ExportedService(
            name: service, cluster: own.name, pods: mesh.pods[own.name]?[service] ?? [],
            gateways: own.gateways)
        return [(ResourceName(rawValue: service.rawValue), .exported(exported))]
    }

    /// What other Ballasts are told of the source of what they import.
    func status(_ staleReason: String?) -> [NamedContent] {
        guard let staleReason else { return [] }
        let status = ExportedService(stale: staleReason, cluster: defaultCluster)
        return [(ResourceName(rawValue: status.name.rawValue), .exported(status))]
    }
}
