import Model

/// Groups endpoints into localities, so that addresses, and pairs of locality and priority, are unique.
struct Placement {
    private struct Key: Hashable {
        var priority: UInt32
        var locality: Locality
    }

    private struct Group {
        var key: Key
        var endpoints: [Assignment.Endpoint] = []
        /// The weight of each endpoint in the locality; 0 for endpoints that take no traffic.
        var activeWeights: [UInt32] = []
    }

    private var groups: [Group] = []
    private var places: [Key: Int] = [:]
    /// The group of the last endpoint; the next endpoint is mostly in the same one.
    private var last = 0
    /// The gateways' addresses, which several clusters may share.
    private var shared: Set<Assignment.Endpoint.Address> = []

    /// Adds the endpoint of a single pod.
    ///
    /// - Parameter activeWeight: its weight in the locality; 0 if it takes no traffic.
    mutating func add(
        pod endpoint: Assignment.Endpoint, activeWeight: UInt32, in locality: Locality, at priority: UInt32
    ) {
        if !shared.isEmpty, shared.contains(endpoint.address) {
            merge(endpoint, activeWeight)
        } else {
            append(endpoint, activeWeight, Key(priority: priority, locality: locality))
        }
    }

    /// Adds an endpoint that stands for many pods.
    ///
    /// If two clusters share a gateway, the second endpoint's weight is added to the first. Both have the same
    /// priority: see `Route.leaveOut`.
    ///
    /// - Parameter activeWeight: its weight in the locality; 0 if it takes no traffic.
    mutating func add(
        shared endpoint: Assignment.Endpoint, activeWeight: UInt32, in locality: Locality, at priority: UInt32
    ) {
        if !merge(endpoint, activeWeight) {
            append(endpoint, activeWeight, Key(priority: priority, locality: locality))
        }
        shared.insert(endpoint.address)
    }

    /// The localities, ordered by priority and locality; priorities are renumbered as sent: 0 first, no gaps.
    func localities() -> [Assignment.LocalityEndpoints] {
        let used = Set(groups.map(\.key.priority)).sorted()
        let priorities = Dictionary(uniqueKeysWithValues: zip(used, UInt32(0)...))
        return groups.map { group in
            let weight = group.activeWeights.reduce(0, +)
            return Assignment.LocalityEndpoints(
                locality: group.key.locality,
                priority: priorities[group.key.priority] ?? 0,
                weight: weight > 0 ? weight : nil,
                endpoints: group.endpoints.sorted { $0.address < $1.address }
            )
        }.sorted { ($0.priority, $0.locality) < ($1.priority, $1.locality) }
    }

    private mutating func append(_ endpoint: Assignment.Endpoint, _ weight: UInt32, _ key: Key) {
        if groups.isEmpty || groups[last].key != key {
            last = places[key] ?? groups.count
            places[key] = last
            if last == groups.count { groups.append(Group(key: key)) }
        }
        groups[last].endpoints.append(endpoint)
        groups[last].activeWeights.append(weight)
    }

    /// Adds the weight to the endpoint of the same address; false if there is none.
    @discardableResult
    private mutating func merge(_ endpoint: Assignment.Endpoint, _ weight: UInt32) -> Bool {
        for group in groups.indices {
            guard let place = groups[group].endpoints.firstIndex(where: { $0.address == endpoint.address }) else {
                continue
            }
            // One gateway of two clusters would need two SNIs.
            if groups[group].endpoints[place].hostname != endpoint.hostname {
                groups[group].endpoints[place].hostname = nil
            }
            guard weight > 0 else { return true }
            // A pod that takes no traffic may share its address with a gateway that does.
            if groups[group].activeWeights[place] == 0 { groups[group].endpoints[place].health = endpoint.health }
            groups[group].activeWeights[place] += weight
            groups[group].endpoints[place].weight = groups[group].activeWeights[place]
            return true
        }
        return false
    }
}
