import Model

/// What the pods of one cluster ask for: their own weights, times the cluster's multiplier.
struct WeightClaim {
    /// One for each pod that takes traffic.
    var weights: [Weight]
    var multiplier: Ratio
    /// How many addresses the sum is split over; each needs at least 1.
    var parts: Int
}

/// Turns `pod weight x cluster multiplier` into integers whose ratios are exact where 32 bits allow, and off by less
/// than one in a billion of the whole, and by 1 for each that has to be raised to its least, where they don't.
///
/// One list for each claim, in order.
///
/// The scale is that of one service and priority. It makes every product whole and gives a cluster behind several gateways
/// enough to split: raising only that cluster's weight would raise its share. Weights are divided by their greatest common
/// divisor only where their sum exceeds 32 bits: otherwise a change of one pod's weight leaves the others' as they are.
func scaleToIntegers(_ claims: [WeightClaim]) -> [[UInt32]] {
    // A cluster that takes no traffic has no part in the scale.
    let common = claims.reduce(UInt128(1)) { common, claim in
        guard !claim.weights.isEmpty else { return common }
        let denominator = UInt128(claim.multiplier.denominator)
        return common / greatestCommonDivisor(common, denominator) * denominator
    }
    var exact = claims.map { claim in
        let factor = UInt128(claim.multiplier.numerator) * (common / UInt128(claim.multiplier.denominator))
        return claim.weights.map { UInt128($0.value) * factor }
    }
    let fits = { $0 <= UInt128(UInt32.max) }
    let divisor = fits(exact.joined().reduce(0, +)) ? 1 : max(exact.joined().commonDivisor, 1)
    let stretch = zip(claims, exact).reduce(UInt128(1)) { stretch, claim in
        let total = claim.1.reduce(0, +) / divisor
        return total == 0 ? stretch : max(stretch, (UInt128(claim.0.parts) + total - 1) / total)
    }
    if divisor != stretch { exact = exact.map { $0.map { $0 / divisor * stretch } } }

    let total = exact.joined().reduce(0, +)
    guard !fits(total) else { return exact.map { $0.map { UInt32($0) } } }
    // Each pod may be raised to 1, and each cluster to its number of gateways.
    let raised = exact.reduce(0) { $0 + UInt128($1.count) } + claims.reduce(0) { $0 + UInt128($1.parts) }
    var rounded = apportion(UInt128(UInt32.max) - raised, by: Array(exact.joined()), total).makeIterator()
    return exact.map { $0.compactMap { _ in rounded.next() } }
}

extension Sequence<UInt128> {
    /// The greatest number that divides all of them; 0 where all are 0.
    fileprivate var commonDivisor: UInt128 {
        var (divisor, last): (UInt128, UInt128) = (0, 0)
        for number in self where number != last {
            divisor = greatestCommonDivisor(divisor, number)
            if divisor == 1 { break }
            last = number
        }
        return divisor
    }
}
