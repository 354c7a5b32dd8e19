import Snapshots
import MeshConfiguration
import Overrides
import Analysis
import ControlPlane
import Discovery
import Foundation
import Model
import Planning
import Serving

extension ControlPlane {
    /// What a plan for a service is computed from.
    ///
    /// - Parameter withClients: whether to ask each client's stream what it has, which a verdict doesn't need.
    func premises(of service: ServiceName, withClients: Bool = true) async -> Premises {
        let status = await status
        var premises = Premises(builder: await snapshotBuilder(), book: overrides.book, now: Date())
        premises.observed = ObservedLoad.total(status.observed)
        premises.proved = { [history] in history.proved(of: $0) }
        if withClients {
            let names = service == "*" ? Array(premises.builder.names.sorted().prefix(50)) : [service]
            for name in names { premises.deliveries[name] = await deliveries(of: name) }
        }
        premises.held = Set(status.holds.filter { service == "*" || $0.service == service }.map(\.cluster))
        premises.stale = Set(status.sources.filter { $0.staleReason != nil }.compactMap(\.cluster))
        premises.rules = overrideSettings.rules
        premises.longest = overrideSettings.longest
        return premises
    }
}
