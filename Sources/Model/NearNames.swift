/// Finds up to 3 candidates that a mistyped name may have meant, nearest first.
///
/// A candidate is near if it differs by at most 2 edits, and by at most a third of the name's length, but 1 edit is
/// always allowed. An edit is an insertion, a deletion, a replacement or a swap of neighbours. Case is ignored. Returns
/// nothing if there are more than 1,000 candidates, where a hint costs more than it helps.
public func nearNames(to name: String, in candidates: some Collection<String>) -> [String] {
    guard candidates.count <= 1_000 else { return [] }
    let typed = Array(name.lowercased().utf8)
    let most = min(2, max(1, typed.count / 3))
    var found: [(distance: Int, name: String)] = []
    for candidate in candidates where candidate != name {
        guard abs(candidate.utf8.count - typed.count) <= most,
            let distance = distance(typed, Array(candidate.lowercased().utf8), most: most)
        else { continue }
        found.append((distance, candidate))
    }
    return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
}

/// The optimal string alignment distance; nil if it is greater than `most`.
///
/// Computes only the cells near the diagonal, since all others are greater than `most`.
private func distance(_ left: [UInt8], _ right: [UInt8], most: Int) -> Int? {
    guard abs(left.count - right.count) <= most else { return nil }
    let far = most + 1
    var before: [Int] = []
    var last = (0...right.count).map { min($0, far) }
    for row in left.indices {
        var next = [Int](repeating: far, count: right.count + 1)
        if row < most { next[0] = row + 1 }
        var least = next[0]
        for column in max(0, row - most)..<max(max(0, row - most), min(right.count, row + most + 1)) {
            let isSame = left[row] == right[column]
            var best = min(last[column + 1] + 1, next[column] + 1, last[column] + (isSame ? 0 : 1))
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                best = min(best, before[column - 1] + 1)
            }
            next[column + 1] = min(best, far)
            least = min(least, best)
        }
        guard least <= most else { return nil }
        (before, last) = (last, next)
    }
    return last[right.count] <= most ? last[right.count] : nil
}
