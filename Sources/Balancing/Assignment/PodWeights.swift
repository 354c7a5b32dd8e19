/// What the pods of one cluster ask for: their own weights, times the cluster's multiplier.
struct WeightClaim {
    /// One for each pod that takes traffic.
    var weights: [Weight]
    var multiplier: Ratio
    /// How many addresses the sum is split over; each needs at least 1.
    var parts: Int
}

/// Turns `pod weight x cluster multiplier` into integers whose ratios are exact where 32 bits allow, and off by less
/// than one in a billion of the whole where they don't.
///
/// One list for each claim, in order.
///
/// The scale is that of one service and priority. It is the smallest that makes every product whole and gives a
/// cluster behind several gateways enough to split: raising only that cluster's weight would raise its share.
func scaleToIntegers(_ claims: [WeightClaim]) -> [[UInt32]] {
    let common = claims.reduce(UInt128(1)) { common, claim in
        let denominator = UInt128(claim.multiplier.denominator)
        return common / greatestCommonDivisor(common, denominator) * denominator
    }
    var exact = claims.map { claim in
        let factor = UInt128(claim.multiplier.numerator) * (common / UInt128(claim.multiplier.denominator))
        return claim.weights.map { UInt128($0.value) * factor }
    }
    let stretch = zip(claims, exact).reduce(UInt128(1)) { stretch, claim in
        let total = claim.1.reduce(0, +)
        return total == 0 ? stretch : max(stretch, (UInt128(claim.0.parts) + total - 1) / total)
    }
    exact = exact.map { $0.map { $0 * stretch } }

    let total = exact.joined().reduce(0, +)
    // Each pod may be raised to 1, and each cluster to its number of gateways.
    let raised = exact.reduce(0) { $0 + UInt128($1.count) } + claims.reduce(0) { $0 + UInt128($1.parts) }
    let room = UInt128(UInt32.max) - raised
    return exact.map { $0.map { UInt32(total <= room ? $0 : max(1, $0 * room / total)) } }
}
