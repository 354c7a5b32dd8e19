public import Foundation

/// A rule that overrides have to keep, from the configuration.
public struct SafetyRule: Hashable, Sendable {
    /// What a rule demands.
    public enum Demand: Hashable, Sendable {
        /// At least this many clusters take traffic of the service.
        case clusters(atLeast: Int)
        /// At most this many drains are in force.
        case drained(atMost: Int)
        /// No share moves by more points at once.
        case step(Double)
        /// No pod gets more than this multiple of what such a pod has carried.
        case load(Double)
        /// No override starts in this time of the week.
        case closed(WeeklyWindow)
    }

    /// The rule's name.
    public var name: String
    /// What it demands.
    public var demand: Demand
    /// The services that it is about; nil for all.
    public var services: Set<String>?

    /// Creates a rule.
    public init(name: String, demand: Demand, services: Set<String>? = nil) {
        self.name = name
        self.demand = demand
        self.services = services
    }
}

/// A stretch of each week, such as `Fri 16:00-Mon 07:00`, in a time zone.
public struct WeeklyWindow: Hashable, Sendable {
    /// The text that it was read from.
    public var text: String
    /// The time zone's name, such as `Europe/Berlin`.
    public var zone: String
    /// Minutes since Sunday 00:00.
    private let start: Int
    private let end: Int

    /// Parses a window; nil if the text or the zone can't be read.
    public init?(_ text: String, zone: String) {
        guard let match = text.wholeMatch(of: /(\w{3}) (\d\d):(\d\d)-(\w{3}) (\d\d):(\d\d)/),
            let start = Self.minutes(match.1, match.2, match.3), let end = Self.minutes(match.4, match.5, match.6),
            TimeZone(identifier: zone) != nil
        else { return nil }
        (self.text, self.zone, self.start, self.end) = (text, zone, start, end)
    }

    private static func minutes(_ day: Substring, _ hour: Substring, _ minute: Substring) -> Int? {
        guard let day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"].firstIndex(of: String(day)),
            let hour = Int(hour), hour < 24, let minute = Int(minute), minute < 60
        else { return nil }
        return (day * 24 + hour) * 60 + minute
    }

    /// Whether a time is in the window.
    public func contains(_ time: Date) -> Bool {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: zone) ?? .gmt
        let parts = calendar.dateComponents([.weekday, .hour, .minute], from: time)
        let now = (((parts.weekday ?? 1) - 1) * 24 + (parts.hour ?? 0)) * 60 + (parts.minute ?? 0)
        return start <= end ? (start..<end).contains(now) : now >= start || now < end
    }
}
