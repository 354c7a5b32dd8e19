/// Gathers endpoints into localities, so that no address, and no pair of locality and priority, comes twice.
struct Placement {
    struct Endpoint {
        var endpoint: Assignment.Endpoint
        var locality: Locality
        var priority: UInt32
        /// What it weighs in its locality; 0 where it takes no traffic.
        var activeWeight: UInt32
        var origin: Assignment.Origin
    }

    private struct Key: Hashable {
        var priority: UInt32
        var locality: Locality
    }

    private var endpoints: [Endpoint] = []
    private var positions: [Assignment.Endpoint.Address: Int] = [:]

    /// The first endpoint of an address stays.
    ///
    /// A second, a gateway that two clusters share, adds its weight to it.
    mutating func add(_ endpoint: Endpoint) {
        if let position = positions[endpoint.endpoint.address] {
            endpoints[position].activeWeight += endpoint.activeWeight
            endpoints[position].endpoint.weight = endpoints[position].activeWeight
        } else {
            positions[endpoint.endpoint.address] = endpoints.count
            endpoints.append(endpoint)
        }
    }

    /// The priorities in use, as sent: 0 first, no gaps, whichever clusters have endpoints.
    var priorities: [UInt32: UInt32] {
        let used = Set(endpoints.map(\.priority)).sorted()
        return Dictionary(uniqueKeysWithValues: zip(used, 0...))
    }

    var origins: [Assignment.Endpoint.Address: Assignment.Origin] {
        Dictionary(uniqueKeysWithValues: endpoints.map { ($0.endpoint.address, $0.origin) })
    }

    func localities() -> [Assignment.LocalityEndpoints] {
        let priorities = priorities
        let groups = Dictionary(grouping: endpoints) { Key(priority: $0.priority, locality: $0.locality) }
        return groups.map { key, members in
            let weight = members.reduce(0) { $0 + $1.activeWeight }
            return Assignment.LocalityEndpoints(
                locality: key.locality,
                priority: priorities[key.priority] ?? 0,
                weight: weight > 0 ? weight : nil,
                endpoints: members.map(\.endpoint).sorted { $0.address < $1.address }
            )
        }.sorted { ($0.priority, $0.locality) < ($1.priority, $1.locality) }
    }
}
