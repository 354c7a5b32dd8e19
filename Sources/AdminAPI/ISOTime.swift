public import Foundation

/// Reads times as RFC 3339 writes them, in whole milliseconds.
///
/// Foundation's own parsers take February 31 for March 3, and don't mind what follows the time.
public enum ISOTime {
    /// The time that a text names, such as `2026-11-25T14:00:00Z`; nil for any other text.
    public static func parse(_ text: String) -> Date? {
        let form =
            /([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})/
        guard text.utf8.count <= 40, let match = text.wholeMatch(of: form) else { return nil }
        let parts = [match.1, match.2, match.3, match.4, match.5, match.6].compactMap { Int($0) }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        var components = DateComponents(
            year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4], second: parts[5])
        guard components.isValidDate(in: calendar) else { return nil }
        if match.8 != "Z" {
            let zone = match.8.dropFirst().split(separator: ":").compactMap { Int($0) }
            guard zone[0] < 24, zone[1] < 60 else { return nil }
            let minutes = (zone[0] * 60 + zone[1]) * (match.8.hasPrefix("-") ? 1 : -1)
            components.minute = parts[4] + minutes
        }
        guard let date = calendar.date(from: components) else { return nil }
        let milliseconds = (Double("0" + (match.7.map(String.init) ?? "")) ?? 0) * 1_000
        return date + milliseconds.rounded(.down) / 1_000
    }
}
