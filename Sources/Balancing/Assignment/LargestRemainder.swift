/// Splits a total into equal integer parts by largest remainder: parts differ by at most 1, and the first ones get
/// more.
///
/// Every part is at least 1, since a weight of 0 is refused: a total below the number of parts is raised to it.
func splitEvenly(_ total: UInt32, into parts: Int) -> [UInt32] {
    guard let count = UInt32(exactly: parts), count > 0 else { return [] }
    let (quotient, remainder) = max(total, count).quotientAndRemainder(dividingBy: count)
    return (0..<count).map { quotient + ($0 < remainder ? 1 : 0) }
}
