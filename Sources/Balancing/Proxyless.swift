import Model

extension [Assignment.LocalityEndpoints] {
    /// The same shares, for gRPC clients.
    ///
    /// gRPC's round robin reads the weights of localities and not those of endpoints (gRFC A42), so endpoints of different
    /// weights become localities of their own. It ignores endpoints that are not healthy, and localities without a
    /// weight, and refuses priorities with gaps (A27): what it would ignore is left out before priorities are numbered.
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
