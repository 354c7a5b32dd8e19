/// A length of time as an operator writes it: `90s`, `10m`, `1h30m`, `2d`.
public struct TimeSpan: Hashable, Sendable {
    /// The length.
    public var duration: Duration
    /// The length in seconds.
    public var seconds: Double { Double(duration.components.seconds) }

    /// Parses a text; nil if it is none, or more than 10 years.
    public init?(_ text: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        var (total, digits): (Int64, String) = (0, "")
        guard text.count <= 20 else { return nil }
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else {
                guard let unit = units[character], let number = Int64(digits), number <= 315_360_000 / unit else {
                    return nil
                }
                total += number * unit
                digits = ""
            }
        }
        guard digits.isEmpty, total > 0, total <= 315_360_000 else { return nil }
        duration = .seconds(total)
    }
}
