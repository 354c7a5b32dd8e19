import Model

extension [Member] {
    /// Sets the factor of each cluster, or of its zones, so that they get the shares that are set.
    ///
    /// Clusters without a share keep their proportions to each other. A part without active pods gets nothing. A part
    /// whose final share is 0 is drained.
    ///
    /// - Parameter localFirst: the client's cluster, if it has all traffic beneath the overrides; nil if all clusters
    ///   share it.
    mutating func setShares(_ tuning: Tuning, localFirst: ClusterName?) {
        let units = units(tuning)
        guard let table = ShareTable(self, units, tuning, localFirst: localFirst) else { return }
        for (index, factor) in factors(table.shares, units.map(\.capacity)).enumerated() where units[index].capacity > 0
        {
            let unit = units[index]
            let layer = tuning.shares.last { unit.target(in: $0) != nil }
            self[unit.member].note(
                Member.SetShare(
                    factor: factor, share: table.shares[index],
                    wanted: table.wanted[index] - table.shares[index] > 1e-9 ? table.wanted[index] : nil,
                    origin: layer?.origin), of: unit)
            if let layer, unit.target(in: layer) == 0, layer.level == .whole, table.shares[index] > 0 {
                self[unit.member].keepsTraffic = true
            }
        }
        // Only now every zone with a share of its own is known.
        for (index, unit) in units.enumerated() where unit.capacity > 0 && table.shares[index] == 0 {
            for entry in self[unit.member].pods.indices where self[unit.member].pods[entry].isActive {
                guard self[unit.member].zone(of: self[unit.member].pods[entry].pod) == unit.zone else { continue }
                self[unit.member].pods[entry].isActive = false
                self[unit.member].pods[entry].health = .draining
            }
        }
    }

    /// The parts that shares are computed for: each cluster, without its zones that have shares of their own, and these.
    private func units(_ tuning: Tuning) -> [ShareUnit] {
        let named = tuning.shares.flatMap { $0.targets.keys.filter { $0.zone != nil } }
        return indices.flatMap { index -> [ShareUnit] in
            let member = self[index]
            let zones = Set(named.filter { $0.cluster == member.cluster.name }.compactMap(\.zone)).sorted()
            let rest = ShareUnit(member: index, cluster: member.cluster.name, zone: nil)
            var units = [rest] + zones.map { ShareUnit(member: index, cluster: member.cluster.name, zone: $0) }
            for entry in member.pods where entry.isActive {
                let zone = zones.isEmpty ? nil : zones.firstIndex(of: member.ownZone(of: entry.pod))
                units[zone.map { $0 + 1 } ?? 0].capacity += UInt128(entry.tunedWeight)
            }
            return units
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
        for index in shares.indices where shares[index] > 0 { numerators[index] = Swift.max(numerators[index], 1) }
        let divisor = Swift.max(numerators.reduce(0, greatestCommonDivisor), 1)
        return numerators.map { Ratio(whole: UInt64(clamping: $0 / divisor)) }
    }
}

/// What has one share: a cluster, or the pods in one of its zones.
struct ShareUnit {
    /// The cluster's index.
    var member: Int
    var cluster: ClusterName
    /// Nil for the pods of all zones that have no share of their own.
    var zone: String?
    /// The sum of the weights of the active pods, with multipliers for single pods but without the cluster's.
    var capacity: UInt128 = 0

    /// The final share that a layer sets, for the zone or for its cluster, in millionths; nil if it sets none.
    func target(in layer: Tuning.Shares) -> UInt64? {
        zone.flatMap { layer.targets[Tuning.Part(cluster, zone: $0)] } ?? layer.targets[Tuning.Part(cluster)]
    }
}

extension Member {
    /// The zone of a pod: its own, or else its cluster's.
    func ownZone(of pod: Pod) -> String { pod.zone ?? cluster.locality.zone }

    /// The pod's zone, if the zone has a share of its own; otherwise nil.
    func zone(of pod: Pod) -> String? {
        guard !zoneFactors.isEmpty else { return nil }
        let zone = ownZone(of: pod)
        return zoneFactors[zone] == nil ? nil : zone
    }

    /// Notes the share of a unit of this cluster; the units come in order, the one without a zone first.
    fileprivate mutating func note(_ share: SetShare, of unit: ShareUnit) {
        if let zone = unit.zone { zoneFactors[zone] = share.factor }
        guard var sum = self.share else {
            self.share = share
            return
        }
        if unit.zone == nil { sum.factor = share.factor }
        if sum.wanted != nil || share.wanted != nil {
            sum.wanted = Swift.min(1, (sum.wanted ?? sum.share) + (share.wanted ?? share.share))
        }
        sum.share += share.share
        sum.origin = sum.origin ?? share.origin
        self.share = sum
    }
}

/// The shares of all units, layer by layer.
private struct ShareTable {
    /// The share of each unit, 0 to 1, in order.
    private(set) var shares: [Double]
    /// The shares before limits.
    private(set) var wanted: [Double]

    private let capacities: [Double]

    /// Nil if no pod is active.
    init?(_ members: [Member], _ units: [ShareUnit], _ tuning: Tuning, localFirst: ClusterName?) {
        capacities = units.map { Double($0.capacity) }
        let all = capacities.reduce(0, +)
        guard all > 0 else { return nil }
        let local = zip(units, capacities).reduce(0) { $1.0.cluster == localFirst ? $0 + $1.1 : $0 }
        let claims = zip(units, capacities).map { members[$0.member].multiplier.value * $1 }
        let claimed = claims.reduce(0, +)
        shares = claims.map { $0 / claimed }
        if local > 0 {
            shares = zip(units, capacities).map { unit, capacity in
                unit.cluster == localFirst ? capacity / local : 0
            }
        }
        wanted = shares
        let beneath = shares
        var named: Set<Int> = []
        for layer in tuning.shares {
            let targets = targets(of: layer, units)
            named.formUnion(targets.keys)
            apply(targets, layer.level.value)
        }
        wanted = shares
        let limits = units.indices.map { index in
            let ceiling = max(tuning.ceiling * capacities[index] / all, beneath[index])
            // A cluster's `maxShare` is divided between its units as the shares are now.
            let ofCluster = units.indices.filter { units[$0].member == units[index].member }.reduce(0) {
                $0 + shares[$1]
            }
            let most = members[units[index].member].cluster.maxShare?.value ?? 1
            return min(named.contains(index) ? ceiling : 1, ofCluster > 0 ? most * shares[index] / ofCluster : most)
        }
        // A part that is set to 0 doesn't get what others leave.
        let drained = tuning.shares.last.map { layer in
            Set(units.indices.filter { layer.level == .whole && units[$0].target(in: layer) == 0 && shares[$0] == 0 })
        }
        limit(to: limits, but: drained ?? [])
    }

    /// The final share of each named unit, 0 to 1; a cluster's share is divided between its units as they are now.
    private func targets(of layer: Tuning.Shares, _ units: [ShareUnit]) -> [Int: Double] {
        var targets: [Int: Double] = [:]
        for index in units.indices {
            let unit = units[index]
            if let zone = unit.zone, let share = layer.targets[Tuning.Part(unit.cluster, zone: zone)] {
                targets[index] = Double(share) / 1e6
            } else if let share = layer.targets[Tuning.Part(unit.cluster)] {
                let siblings = units.indices.filter { units[$0].member == unit.member }
                let sum = siblings.reduce(0) { $0 + shares[$1] }
                let capacity = siblings.reduce(0) { $0 + capacities[$1] }
                let part = sum > 0 ? shares[index] / sum : capacity > 0 ? capacities[index] / capacity : 1
                targets[index] = Double(share) / 1e6 * part
            }
        }
        return targets
    }

    /// Moves the named units towards their targets; the others share the rest in proportion.
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

    /// Reduces shares to their limits; the other units take the excess in proportion, within their own limits.
    ///
    /// - Parameter drained: units that get nothing.
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
