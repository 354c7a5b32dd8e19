/// The weight of a pod relative to the others of its service, 1 to 1,000,000; default 1.
///
/// Weight 0 doesn't exist, because Envoy and gRPC reject the whole assignment for one. To give a pod no traffic, drain
/// it.
public struct Weight: Hashable, Sendable {
    /// The weight, 1 to 1,000,000.
    public let value: UInt32

    /// The default weight.
    public static let one = Weight(unchecked: 1)

    /// The valid weights.
    public static let range: ClosedRange<UInt32> = 1...1_000_000

    /// Creates a weight; nil if the value is out of range.
    public init?(_ value: Int) {
        guard let value = UInt32(exactly: value), Self.range.contains(value) else { return nil }
        self.value = value
    }

    private init(unchecked value: UInt32) { self.value = value }
}

/// An exact multiplier, parsed from a decimal: 0 to 1,000,000, with up to six decimal places.
///
/// Exact, so that shares don't depend on the order or number of factors, and are the same on every replica.
public struct Ratio: Hashable, Sendable, CustomStringConvertible {
    /// The numerator, in lowest terms.
    public let numerator: UInt64
    /// The denominator, in lowest terms: a divisor of 1,000,000, or of 10^12 after `reduced(by:)`.
    public let denominator: UInt64

    /// The ratio 1.
    public static let one = Ratio(numerator: 1, denominator: 1)

    /// The ratio as a floating-point number.
    public var value: Double { Double(numerator) / Double(denominator) }

    /// This ratio times a factor between 0 and 1, rounded to twelve decimal places, but never 0.
    package func reduced(by factor: Double) -> Ratio {
        let trillionths = (value * factor * 1e12).rounded()
        return Ratio(numerator: UInt64(min(max(trillionths, 1), 1e18)), denominator: 1_000_000_000_000)
    }

    /// A whole number as a ratio.
    package init(whole number: UInt64) { self.init(numerator: number, denominator: 1) }

    private init(numerator: UInt64, denominator: UInt64) {
        let divisor = greatestCommonDivisor(numerator, denominator)
        self.numerator = numerator / divisor
        self.denominator = denominator / divisor
    }

    /// Parses `2`, `0.5` or `1.25`; nil if out of range, or for signs, exponents and more decimal places.
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

    /// The ratio as a decimal.
    public var description: String {
        denominator == 1 ? "\(numerator)" : "\(value)"
    }
}

/// The greatest common divisor; if one number is 0, the other number.
package func greatestCommonDivisor<Number: UnsignedInteger>(_ left: Number, _ right: Number) -> Number {
    right == 0 ? left : greatestCommonDivisor(right, left % right)
}
