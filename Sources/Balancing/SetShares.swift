import Model

extension [Member] {
    /// Sets the factor of each cluster so that the clusters get the shares that are set.
    ///
    /// Clusters without a share keep their proportions to each other. A cluster without active pods gets
    /// nothing. A cluster whose final share is 0 is drained.
    ///
    /// - Parameter localFirst: the client's cluster, if it has all traffic beneath the overrides; nil if all clusters
    ///   share it.
    mutating func setShares(_ tuning: Tuning, localFirst: ClusterName?) {
        let capacities = map(\.capacity)
        guard let table = ShareTable(self, capacities, tuning, localFirst: localFirst) else { return }
        for (index, factor) in zip(indices, factors(table.shares, capacities)) {
            let wanted = table.wanted[index] - table.shares[index] > 1e-9 ? table.wanted[index] : nil
            guard capacities[index] > 0 else { continue }
            let layer = tuning.shares.last { $0.targets[self[index].cluster.name] != nil }
            self[index].share = Member.SetShare(
                factor: factor, share: table.shares[index], wanted: wanted, origin: layer?.origin)
            if layer?.targets[self[index].cluster.name] == 0, layer?.level == .whole, table.shares[index] > 0 {
                self[index].keepsTraffic = true
            }
            guard table.shares[index] == 0 else { continue }
            for entry in self[index].pods.indices where self[index].pods[entry].isActive {
                self[index].pods[entry].isActive = false
                self[index].pods[entry].health = .draining
            }
        }
    }

    /// Factors on the pods' weights that give these shares: whole numbers.
    private func factors(_ shares: [Double], _ capacities: [UInt128]) -> [Ratio] {
        let unit: UInt128 = 1_000_000
        let millionths = shares.map { UInt128(($0 * Double(unit)).rounded()) }
        // Exact while the numbers stay small, since small weights are easier to read.
        let common = zip(shares, capacities).reduce(UInt128(1)) { common, entry in
            guard entry.0 > 0 else { return common }
            let (product, overflows) = (common / greatestCommonDivisor(common, entry.1))
                .multipliedReportingOverflow(by: entry.1)
            return overflows ? .max : product
        }
        var numerators: [UInt128]
        if common < 1 << 40 {
            numerators = zip(millionths, capacities).map { $1 == 0 ? 0 : $0 * (common / $1) }
        } else {
            let ratios = zip(shares, capacities).map { $1 == 0 ? 0 : $0 / Double($1) }
            let greatest = ratios.max() ?? 1
            numerators = ratios.map { UInt128(($0 / greatest * 1e12).rounded()) }
        }
        // A share above 0 may be too small for a factor above 0.
        for index in indices where shares[index] > 0 { numerators[index] = Swift.max(numerators[index], 1) }
        let divisor = Swift.max(numerators.reduce(0, greatestCommonDivisor), 1)
        return numerators.map { Ratio(whole: UInt64(clamping: $0 / divisor)) }
    }
}

extension Member {
    /// The sum of the weights of the active pods, with multipliers for single pods but without the cluster's.
    fileprivate var capacity: UInt128 { pods.reduce(0) { $0 + ($1.isActive ? UInt128($1.tunedWeight) : 0) } }
}

/// The shares of all clusters, layer by layer.
private struct ShareTable {
    /// The share of each cluster, 0 to 1, in order.
    private(set) var shares: [Double]
    /// The shares before limits.
    private(set) var wanted: [Double]

    private let capacities: [Double]

    /// Nil if no pod is active.
    init?(_ members: [Member], _ capacities: [UInt128], _ tuning: Tuning, localFirst: ClusterName?) {
        self.capacities = capacities.map(Double.init)
        let all = self.capacities.reduce(0, +)
        guard all > 0 else { return nil }
        let local = members.firstIndex { $0.cluster.name == localFirst && $0.pods.contains(where: \.isActive) }
        let claims = zip(members, self.capacities).map { $0.multiplier.value * $1 }
        let claimed = claims.reduce(0, +)
        if let local {
            shares = members.indices.map { $0 == local ? 1 : 0 }
        } else {
            shares = claims.map { $0 / claimed }
        }
        wanted = shares
        let beneath = shares
        var named: Set<Int> = []
        for layer in tuning.shares {
            let targets = Dictionary(
                uniqueKeysWithValues: members.indices.compactMap { index in
                    layer.targets[members[index].cluster.name].map { (index, Double($0) / 1e6) }
                })
            named.formUnion(targets.keys)
            apply(targets, layer.level.value)
        }
        wanted = shares
        let limits = members.indices.map { index in
            let ceiling = max(tuning.ceiling * self.capacities[index] / all, beneath[index])
            return min(named.contains(index) ? ceiling : 1, members[index].cluster.maxShare?.value ?? 1)
        }
        // A cluster that is set to 0 doesn't get what others leave.
        let drained = tuning.shares.last.map { layer in
            Set(
                members.indices.filter {
                    layer.level == .whole && layer.targets[members[$0].cluster.name] == 0 && shares[$0] == 0
                })
        }
        limit(to: limits, but: drained ?? [])
    }

    /// Moves the named clusters towards their targets; the others share the rest in proportion.
    private mutating func apply(_ targets: [Int: Double], _ level: Double) {
        var next = shares
        for (index, target) in targets {
            next[index] = capacities[index] > 0 ? shares[index] + level * (target - shares[index]) : 0
        }
        let rest = shares.indices.filter { targets[$0] == nil && capacities[$0] > 0 }
        let left = max(0, 1 - targets.keys.sorted().reduce(0) { $0 + next[$1] })
        let beneath = rest.reduce(0) { $0 + shares[$1] }
        let capacity = rest.reduce(0) { $0 + capacities[$1] }
        for index in rest {
            next[index] = left * (beneath > 0 ? shares[index] / beneath : capacities[index] / capacity)
        }
        let sum = next.reduce(0, +)
        // Without another cluster, the named ones take everything; all at 0 would fail every request.
        if sum > 1e-9 { shares = next.map { $0 / sum < 1e-9 ? 0 : $0 / sum } }
    }

    /// Reduces shares to their limits; the other clusters take the excess in proportion, within their own limits.
    ///
    /// - Parameter drained: clusters that get nothing.
    private mutating func limit(to limits: [Double], but drained: Set<Int>) {
        var free = Set(shares.indices.filter { capacities[$0] > 0 }).subtracting(drained)
        while let index = free.sorted().first(where: { shares[$0] > limits[$0] + 1e-12 }), free.count > 1 {
            free.remove(index)
            let excess = shares[index] - limits[index]
            let others = free.sorted()
            let sum = others.reduce(0) { $0 + shares[$1] }
            let capacity = others.reduce(0) { $0 + capacities[$1] }
            shares[index] = limits[index]
            for other in others {
                shares[other] += excess * (sum > 0 ? shares[other] / sum : capacities[other] / capacity)
            }
        }
    }
}
