import EnvoyAPI
import Foundation
import Intent
import Model
import XDS

// The resources served to other Ballasts.

extension Federation {
    /// The resource of one service for another Ballast: this cluster's own pods, if the service is exported to it.
    ///
    /// Imported pods are never exported again. Only pods of this Ballast's own cluster are exported, and the
    /// configuration refuses exports if that cluster itself is imported. So exports can't loop.
    func exported(_ service: ServiceName, to peer: String, in mesh: Mesh) -> [NamedContent] {
        guard let export = exports.first(where: { $0.peer == peer }), export.includes(service),
            let own = mesh.clusters.first(where: { $0.name == ownCluster })
        else { return [] }
        let exported = ExportedService(
            name: service, cluster: own.name, pods: mesh.pods[own.name] ?? [], gateways: own.gateways)
        return [(ResourceName(rawValue: service.rawValue), .exported(exported))]
    }

    /// The status resource for other Ballasts, which marks this cluster's own source as stale; empty if it isn't.
    ///
    /// The reason is left out, because it may contain addresses and paths.
    func status(_ staleSince: Date?) -> [NamedContent] {
        guard let staleSince else { return [] }
        let status = ExportedService(
            stale: "since \(staleSince.formatted(.iso8601)); its /readyz says why", cluster: ownCluster)
        return [(ResourceName(rawValue: status.name.rawValue), .exported(status))]
    }
}
