/// How much one pod takes compared with the others of its service: 1 to 1,000,000, 1 where nothing is said.
///
/// There is no weight 0: Envoy and gRPC refuse the whole assignment for one. A pod that shall get nothing drains.
public struct Weight: Hashable, Sendable {
    /// 1 to 1,000,000.
    public let value: UInt32

    /// What a pod weighs unless it says otherwise.
    public static let one = Weight(unchecked: 1)

    /// The weights that there are.
    public static let range: ClosedRange<UInt32> = 1...1_000_000

    /// Nil outside the range.
    public init?(_ value: Int) {
        guard let value = UInt32(exactly: value), Self.range.contains(value) else { return nil }
        self.value = value
    }

    private init(unchecked value: UInt32) { self.value = value }
}

/// An exact multiplier, read from a decimal: 0 to 1,000,000, with up to six places after the point.
///
/// Exact, so that shares don't drift with the order or the number of factors, and equal on every replica.
public struct Ratio: Hashable, Sendable, CustomStringConvertible {
    /// The dividend, in lowest terms.
    public let numerator: UInt64
    /// The divisor, in lowest terms: a divisor of 1,000,000.
    public let denominator: UInt64

    /// 1.
    public static let one = Ratio(numerator: 1, denominator: 1)

    /// The ratio as a number.
    public var value: Double { Double(numerator) / Double(denominator) }

    /// This ratio times a factor between 0 and 1, to twelve places after the point, but never 0.
    package func reduced(by factor: Double) -> Ratio {
        let trillionths = (value * factor * 1e12).rounded()
        return Ratio(numerator: UInt64(min(max(trillionths, 1), 1e18)), denominator: 1_000_000_000_000)
    }

    private init(numerator: UInt64, denominator: UInt64) {
        let divisor = greatestCommonDivisor(numerator, denominator)
        self.numerator = numerator / divisor
        self.denominator = denominator / divisor
    }

    /// Reads `2`, `0.5` or `1.25`; nil outside the range, and for signs, exponents and longer fractions.
    public init?(_ decimal: String) {
        let parts = decimal.split(separator: ".", omittingEmptySubsequences: false)
        let isDigits = { (part: Substring) in
            !part.isEmpty && part.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        }
        guard (1...2).contains(parts.count), parts.allSatisfy(isDigits), let whole = UInt64(parts[0]),
            whole <= 1_000_000
        else { return nil }
        let fraction = parts.count == 2 ? parts[1] : ""
        guard fraction.count <= 6 else { return nil }
        let millionths = UInt64(fraction + String(repeating: "0", count: 6 - fraction.count)) ?? 0
        let numerator = whole * 1_000_000 + millionths
        guard numerator <= 1_000_000_000_000 else { return nil }
        self.init(numerator: numerator, denominator: 1_000_000)
    }

    /// For people: the ratio as a decimal.
    public var description: String {
        denominator == 1 ? "\(numerator)" : "\(value)"
    }
}

/// The greatest common divisor; the other number where one is 0.
package func greatestCommonDivisor<Number: UnsignedInteger>(_ left: Number, _ right: Number) -> Number {
    right == 0 ? left : greatestCommonDivisor(right, left % right)
}
