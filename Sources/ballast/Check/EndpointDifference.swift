import AdminAPI

/// One endpoint, as Ballast serves it and as an Envoy has it.
struct EndpointDifference {
    var address: String
    /// Nil if Ballast doesn't serve it.
    var served: ServicePage.Endpoint?
    /// Nil if the Envoy doesn't have it.
    var host: EnvoyHosts.Host?

    /// All endpoints of either, ordered by address.
    static func all(_ served: [ServicePage.Endpoint], _ hosts: [EnvoyHosts.Host]) -> [EndpointDifference] {
        let wanted = Dictionary(served.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
        let known = Dictionary(hosts.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
        return Set(wanted.keys).union(known.keys).sorted().map {
            EndpointDifference(address: $0, served: wanted[$0], host: known[$0])
        }
    }

    /// What differs, in words; nil if nothing does.
    var words: String? {
        guard let served else {
            return host?.isLeaving == true ? "removed, and kept by its health check" : "not served by Ballast"
        }
        guard let host else { return "not known to this Envoy" }
        if host.weight != Int(served.weight) { return "weight \(served.weight) is served" }
        if host.isEjected { return "outlier detection, by this Envoy alone" }
        if host.failsCheck { return "its health check fails, for this Envoy alone" }
        if host.health.lowercased() != served.health { return "\(served.health) is served" }
        return nil
    }

    /// Whether the lists themselves differ: what this Envoy finds by itself doesn't count.
    var isDifferent: Bool {
        guard let served, let host else { return true }
        return host.weight != Int(served.weight) || host.health.lowercased() != served.health
    }
}
