extension [String] {
    /// The first elements, and the number of the others: `a, b and 3 more`.
    public func listed(most: Int) -> String {
        let first = prefix(most).joined(separator: ", ")
        return count > most ? "\(first) and \(count - most) more" : first
    }
}
