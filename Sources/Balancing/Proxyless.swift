import Model

extension [Assignment.LocalityEndpoints] {
    /// The same shares, for gRPC clients.
    ///
    /// gRPC's round robin reads locality weights but not endpoint weights (gRFC A42), so endpoints of different weights
    /// become separate localities. gRPC ignores unhealthy endpoints and localities without a weight, and rejects
    /// priorities with gaps (A27). So endpoints and localities that it would ignore are left out before priorities are
    /// numbered.
    var proxyless: [Assignment.LocalityEndpoints] {
        let split = flatMap { entry -> [Assignment.LocalityEndpoints] in
            let groups = Dictionary(grouping: entry.endpoints.filter { $0.health == .healthy }, by: \.weight)
            return groups.sorted { $0.key < $1.key }.compactMap { weight, endpoints in
                let (total, overflow) = weight.multipliedReportingOverflow(by: UInt32(endpoints.count))
                guard !overflow else { return nil }
                var locality = entry.locality
                if groups.count > 1 { locality.subZone += "\(locality.subZone.isEmpty ? "" : "-")weight-\(weight)" }
                return Assignment.LocalityEndpoints(
                    locality: locality, priority: entry.priority, weight: total, endpoints: endpoints)
            }
        }
        let places = Dictionary(uniqueKeysWithValues: zip(Set(split.map(\.priority)).sorted(), UInt32(0)...))
        return split.map { entry in
            var entry = entry
            entry.priority = places[entry.priority] ?? 0
            return entry
        }
    }
}
