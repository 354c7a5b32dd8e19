import Intent
import EnvoyAPI
import Foundation
import Model
import XDS

// What other Ballasts are served.

extension Federation {
    /// What another Ballast is told of a service: this cluster's own pods, if the service is exported to it.
    ///
    /// What was imported is never exported: only the pods of the cluster that this Ballast serves are looked at, and
    /// those can't be imported if there are exports. So nothing goes round in circles.
    func exported(_ service: ServiceName, to peer: String, in mesh: Mesh) -> [NamedContent] {
        guard let export = exports.first(where: { $0.peer == peer }), export.includes(service),
            let own = mesh.clusters.first(where: { $0.name == ownCluster })
        else { return [] }
        let exported = ExportedService(
            name: service, cluster: own.name, pods: mesh.pods[own.name] ?? [], gateways: own.gateways)
        return [(ResourceName(rawValue: service.rawValue), .exported(exported))]
    }

    /// What other Ballasts are told of the source of what they import.
    ///
    /// The reason stays here: it may have addresses and paths.
    func status(_ staleSince: Date?) -> [NamedContent] {
        guard let staleSince else { return [] }
        let status = ExportedService(
            stale: "since \(staleSince.formatted(.iso8601)); its /readyz says why", cluster: ownCluster)
        return [(ResourceName(rawValue: status.name.rawValue), .exported(status))]
    }
}
