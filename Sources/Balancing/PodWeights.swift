import Model

/// The weights of one cluster's pods, and the cluster's multiplier.
struct WeightClaim {
    /// The weight of each pod that takes traffic, at most 10^18.
    var weights: [UInt64]
    var multiplier: Ratio
    /// The number of addresses that share the sum; each needs at least 1.
    var parts: Int
}

/// Turns `pod weight x cluster multiplier` into integers; one list for each claim, in order.
///
/// Ratios are exact if 32 bits allow. Otherwise a weight is off by less than one billionth of the total, plus 1 for
/// each weight that had to be raised to its minimum.
///
/// The scale is common to one service and priority. It makes every product an integer and gives a cluster behind
/// several gateways enough to split: raising only that cluster's weight would raise its share. Weights are divided by
/// their greatest common divisor only if their sum exceeds 32 bits, so that a change of one pod's weight leaves the
/// other weights unchanged.
func scaleToIntegers(_ claims: [WeightClaim]) -> [[UInt32]] {
    // A cluster without active pods doesn't affect the scale.
    let common = claims.reduce(UInt128(1)) { common, claim in
        guard !claim.weights.isEmpty else { return common }
        let denominator = UInt128(claim.multiplier.denominator)
        return common / greatestCommonDivisor(common, denominator) * denominator
    }
    var exact = products(claims, common)
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

/// The products of weights and multipliers, times `common`; rounded to 15 digits if one of them is above 2^90.
///
/// The limit leaves room for the sum of a million products, and for its product with a 32-bit number.
private func products(_ claims: [WeightClaim], _ common: UInt128) -> [[UInt128]] {
    let limit = UInt128(1) << 90
    let factors = claims.map { UInt128($0.multiplier.numerator) * (common / UInt128($0.multiplier.denominator)) }
    let fits = zip(claims, factors).allSatisfy { claim, factor in
        let (product, overflows) = UInt128(claim.weights.max() ?? 0).multipliedReportingOverflow(by: factor)
        return !overflows && product < limit
    }
    if fits { return zip(claims, factors).map { claim, factor in claim.weights.map { UInt128($0) * factor } } }
    let values = claims.map { claim in claim.weights.map { Double($0) * claim.multiplier.value } }
    let greatest = values.joined().max() ?? 1
    return values.map { $0.map { $0 == 0 ? 0 : UInt128(max(1, ($0 / greatest * 1e15).rounded())) } }
}

extension Sequence<UInt128> {
    /// The greatest common divisor of all numbers; 0 if all are 0.
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
