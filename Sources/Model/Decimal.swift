/// A number with up to two decimals, as people read it: `20`, `33.33`, `0.5`.
public func decimal(_ number: Double) -> String {
    guard number.isFinite, abs(number) < 1e15 else { return "\(number)" }
    let hundredths = Int((abs(number) * 100).rounded())
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    let text =
        rest == 0 ? "\(whole)" : rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
    return number < 0 && hundredths > 0 ? "-\(text)" : text
}

/// A share in percent, with two decimals.
public func percent(_ share: Double) -> Double { (share * 10_000).rounded() / 100 }
