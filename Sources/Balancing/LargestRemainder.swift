import Model

/// Splits a total into equal integer parts; parts differ by at most 1, and the first parts are the larger ones.
///
/// Every part is at least 1, because a weight of 0 is rejected: a total below the number of parts is raised to it.
func splitEvenly(_ total: UInt32, into parts: Int) -> [UInt32] {
    guard let count = UInt32(exactly: parts), count > 0 else { return [] }
    let (quotient, remainder) = max(total, count).quotientAndRemainder(dividingBy: count)
    return (0..<count).map { quotient + ($0 < remainder ? 1 : 0) }
}

/// Splits `room` into integer parts in proportion to weights, by largest remainder; of equal remainders, the first gets
/// more.
///
/// Every part of a nonzero weight is at least 1, so the sum may exceed `room` by the number of parts that were raised.
///
/// - Parameters:
///   - room: at most `UInt32.max`.
///   - total: the sum of the weights, more than `room`.
func apportion(_ room: UInt128, by weights: [UInt128], _ total: UInt128) -> [UInt32] {
    var parts: [UInt32] = []
    var remainders: [(index: Int, remainder: UInt128)] = []
    var left = room
    for (index, weight) in weights.enumerated() {
        let (quotient, remainder) = (weight * room).quotientAndRemainder(dividingBy: total)
        left -= quotient
        parts.append(UInt32(quotient))
        remainders.append((index, remainder))
    }
    remainders.sort { $0.remainder == $1.remainder ? $0.index < $1.index : $0.remainder > $1.remainder }
    for entry in remainders.prefix(Int(left)) { parts[entry.index] += 1 }
    return zip(weights, parts).map { $0 == 0 ? 0 : max(1, $1) }
}
