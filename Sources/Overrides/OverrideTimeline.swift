public import Balancing
public import Foundation

/// What an override does over time: a pure function of its spec, its transitions and the time.
public struct OverrideTimeline: Sendable {
    /// The state at one moment.
    public struct State: Hashable, Sendable {
        /// The phase.
        public var phase: Override.Phase
        /// How much of its full effect it has.
        public var level: Tuning.Fraction
        /// The last step of the ramp that took effect, 0 before the first; nil without a ramp.
        public var step: Int?
        /// When phase or level change next by themselves; nil for never.
        public var next: Date?
        /// When it ends or ended, or began to restore; nil if it is permanent.
        public var end: Date?
    }

    private let start: Date
    private let end: Date?
    /// When a revert cut the restore short; nil if none did.
    private let cut: Date?
    private let ramp: (seconds: Double, steps: Int)?
    private let restore: (seconds: Double, steps: Int)?
    /// The times at which a pause begins (true) or ends, in order.
    private let pauses: [(at: Date, begins: Bool)]

    /// Creates the timeline of an override.
    public init(_ override: Override) {
        let spec = override.spec
        start = override.start
        ramp = spec.ramp.flatMap(Self.parts)
        restore = spec.restore.flatMap(Self.parts)
        let ordered = override.transitions.sorted { ($0.at, $0.id) < ($1.at, $1.id) }
        let reverts = ordered.filter { $0.type == .revert }.map(\.at)
        let end = [spec.until, reverts.first].compactMap(\.self).min()
        self.end = end
        cut = end.flatMap { end in reverts.first { $0 > end } }
        pauses = ordered.filter { $0.type != .revert }.map { ($0.at, $0.type == .pause) }
    }

    private static func parts(_ ramp: OverrideSpec.Ramp) -> (seconds: Double, steps: Int)? {
        guard let duration = ramp.duration, (1...100).contains(ramp.steps) else { return nil }
        return (duration / .seconds(1), ramp.steps)
    }

    /// The state at one moment.
    public func state(at now: Date) -> State {
        guard let end, now >= end else { return forward(at: now) }
        let last = forward(at: end)
        if let cut, now >= cut { return ended(end) }
        guard let restore, end > start, last.level > .zero else { return ended(end) }
        let step = steps(in: now.timeIntervalSince(end), restore)
        guard step < restore.steps else { return ended(end) }
        return State(
            phase: .restoring,
            level: Tuning.Fraction(
                last.level.numerator * UInt64(restore.steps - step), of: last.level.denominator * UInt64(restore.steps)),
            step: last.step,
            next: min(
                end + restore.seconds * Double(step + 1) / Double(restore.steps), cut ?? .distantFuture), end: end)
    }

    private func ended(_ end: Date) -> State {
        State(phase: .ended, level: .zero, step: nil, next: nil, end: end)
    }

    /// The state before the end.
    private func forward(at now: Date) -> State {
        // A transition of another replica, whose clock is ahead, may be in the future.
        let pause = pauses.first { $0.at > now }?.at
        let first = { (next: Date?) in [next, end, pause].compactMap(\.self).filter { $0 > now }.min() }
        guard now >= start else {
            return State(phase: .scheduled, level: .zero, step: nil, next: first(start), end: end)
        }
        guard let ramp else {
            return State(phase: .active, level: .whole, step: nil, next: first(nil), end: end)
        }
        let (elapsed, isPaused) = progress(at: now)
        let step = steps(in: elapsed, ramp)
        guard step < ramp.steps else {
            return State(phase: .active, level: .whole, step: ramp.steps, next: first(nil), end: end)
        }
        let wait = ramp.seconds * Double(step + 1) / Double(ramp.steps) - elapsed
        return State(
            phase: isPaused ? .paused : .ramping, level: Tuning.Fraction(UInt64(step), of: UInt64(ramp.steps)),
            step: step,
            next: first(isPaused ? nil : now + max(wait, 0.001)), end: end)
    }

    /// The time since the start without pauses, and whether a pause lasts.
    private func progress(at now: Date) -> (seconds: Double, isPaused: Bool) {
        var (total, since, isPaused) = (0.0, start, false)
        for pause in pauses where pause.at <= now {
            if pause.begins, !isPaused {
                total += max(0, pause.at.timeIntervalSince(since))
                isPaused = true
            } else if !pause.begins, isPaused {
                since = max(pause.at, start)
                isPaused = false
            }
        }
        return (isPaused ? total : total + max(0, now.timeIntervalSince(since)), isPaused)
    }

    /// The number of whole steps; a tenth of a millisecond makes up for rounding.
    private func steps(in seconds: Double, _ ramp: (seconds: Double, steps: Int)) -> Int {
        let steps = (seconds + 0.000_1) * Double(ramp.steps) / ramp.seconds
        return steps < Double(ramp.steps) ? max(0, Int(steps)) : ramp.steps
    }
}
