/// The names that a mistyped one may have been meant for, the nearest first; at most 3.
///
/// Only the first 5,000 candidates are looked at. Those that 2 insertions, deletions, replacements or swaps of neighbours apart are near, and not more than a third of the
/// name's length. Upper and lower case are the same.
public func nearNames(to name: String, in candidates: some Sequence<String>) -> [String] {
    let typed = Array(name.lowercased().unicodeScalars.prefix(254))
    let most = min(2, max(1, typed.count / 3))
    var found: [(distance: Int, name: String)] = []
    for candidate in candidates.prefix(5_000) where candidate != name {
        let other = Array(candidate.lowercased().unicodeScalars.prefix(254))
        guard abs(other.count - typed.count) <= most else { continue }
        let distance = distance(typed, other)
        if distance <= most { found.append((distance, candidate)) }
    }
    return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
}

/// The optimal string alignment distance.
private func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    var before: [Int] = []
    var last = Array(0...right.count)
    for row in left.indices {
        var next = [row + 1]
        for column in right.indices {
            let isSame = left[row] == right[column]
            var best = min(last[column + 1] + 1, next[column] + 1, last[column] + (isSame ? 0 : 1))
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                best = min(best, before[column - 1] + 1)
            }
            next.append(best)
        }
        (before, last) = (last, next)
    }
    return last[right.count]
}
