/// Gathers endpoints into localities, so that no address, and no pair of locality and priority, comes twice.
struct Placement {
    struct Endpoint {
        var address: SocketAddress
        var locality: Locality
        var priority: UInt32
        /// What it weighs in its locality; 0 where it takes no traffic.
        var activeWeight: UInt32
        /// What is sent as its own weight where it takes none.
        var restingWeight: UInt32
        var health: Pod.Health
    }

    private struct Key: Hashable {
        var priority: UInt32
        var locality: Locality
    }

    private var endpoints: [Endpoint] = []
    private var positions: [SocketAddress: Int] = [:]

    /// The first endpoint of an address stays.
    ///
    /// A second, a gateway that two clusters share, adds its weight to it.
    mutating func add(_ endpoint: Endpoint) {
        if let position = positions[endpoint.address] {
            endpoints[position].activeWeight += endpoint.activeWeight
        } else {
            positions[endpoint.address] = endpoints.count
            endpoints.append(endpoint)
        }
    }

    /// The priorities in use, as sent: 0 first, no gaps, whichever clusters have endpoints.
    var priorities: [UInt32: UInt32] {
        let used = Set(endpoints.map(\.priority)).sorted()
        return Dictionary(uniqueKeysWithValues: zip(used, 0...))
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
                endpoints: members.sorted { $0.address < $1.address }.map {
                    Assignment.Endpoint(
                        address: $0.address, weight: $0.activeWeight > 0 ? $0.activeWeight : $0.restingWeight,
                        health: $0.health
                    )
                }
            )
        }.sorted { ($0.priority, $0.locality) < ($1.priority, $1.locality) }
    }
}
