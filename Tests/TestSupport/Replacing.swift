/// A text that a test wanted to change doesn't have the part to change, or has it more than once.
public struct NotReplaced: Error, CustomStringConvertible {
    /// What was looked for, and how often it is there.
    public let description: String
}

extension StringProtocol {
    /// The text with one part replaced.
    ///
    /// - Throws: unless the part is there exactly once, so that no test goes on with a text that it did not change.
    public func replacingOnce(
        _ part: some StringProtocol, with other: some StringProtocol
    ) throws(NotReplaced) -> String {
        let found = ranges(of: String(part))
        guard let range = found.first, found.count == 1 else {
            throw NotReplaced(description: "expected once, and found \(found.count) times: \(part)")
        }
        return self[..<range.lowerBound] + String(other) + self[range.upperBound...]
    }
}
