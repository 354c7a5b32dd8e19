extension [String] {
    /// The first ones, and how many more there are: `a, b and 3 more`.
    public func listed(most: Int) -> String {
        let first = prefix(most).joined(separator: ", ")
        return count > most ? "\(first) and \(count - most) more" : first
    }
}
