import Balancing
import Model
public import Foundation

/// What an operator wants: one change of one service's traffic, with its start and end.
///
/// The JSON form is the same in the API and in the store. Values are checked by `problems`.
public struct OverrideSpec: Codable, Hashable, Sendable {
    /// Selects pods or, for a drain, a gateway: all pods of a cluster, those in one of its zones, or one pod.
    public struct Target: Codable, Hashable, Sendable {
        /// The cluster's name.
        public var cluster: String
        /// A zone of the cluster; nil for all.
        public var zone: String?
        /// The name of one pod; nil for all.
        public var pod: String?
        /// The address of one of the cluster's gateways, for drains of all services; nil for pods.
        public var gateway: String?

        /// Creates a target.
        public init(cluster: String, zone: String? = nil, pod: String? = nil, gateway: String? = nil) {
            self.cluster = cluster
            self.zone = zone
            self.pod = pod
            self.gateway = gateway
        }
    }

    /// A factor on the weights of the selected pods.
    public struct Multiplier: Codable, Hashable, Sendable {
        /// The selected pods.
        public var target: Target
        /// The factor as a decimal: 0.01 to 100, with up to six decimal places.
        public var by: String

        /// Creates a multiplier.
        public init(target: Target, by: String) {
            self.target = target
            self.by = by
        }
    }

    /// A change in equal steps.
    public struct Ramp: Codable, Hashable, Sendable {
        /// The time from the start to the last step, such as `10m`.
        public var over: String
        /// The number of steps, 1 to 100; step k takes effect at k / steps of the time.
        public var steps: Int

        /// Creates a ramp.
        public init(over: String, steps: Int) {
            self.over = over
            self.steps = steps
        }
    }

    /// The service's name; `*` for all services, with drains only.
    public var service: String
    /// The clusters whose clients are affected; nil for all.
    public var views: [String]?
    /// The share of each named cluster in percent, with up to two decimals; the others share the rest in proportion.
    public var shares: [String: Double]?
    /// A factor on pods' weights.
    public var multiplier: Multiplier?
    /// The pods that get no new requests.
    public var drain: Target?
    /// The service's balance: `global` or `local-first`.
    public var balance: String?
    /// When it starts; nil for at once.
    public var start: Date?
    /// How it begins; nil for in one step.
    public var ramp: Ramp?
    /// When it ends; nil if it is permanent.
    public var until: Date?
    /// True if it doesn't end by itself; otherwise nil or false.
    public var permanent: Bool?
    /// How it ends; nil for in one step.
    public var restore: Ramp?
    /// What stops it by itself; nil for nothing.
    public var abort: AbortConditions?
    /// Why, in 3 to 300 characters.
    public var reason: String

    /// Creates a spec without an action.
    public init(service: String, reason: String) {
        self.service = service
        self.reason = reason
    }
}

/// A field of a spec that can't be used.
public struct FieldProblem: Codable, Hashable, Sendable {
    /// A JSON pointer to the field, such as `/shares/west`.
    public var pointer: String
    /// What is wrong, and what to do.
    public var reason: String

    /// Creates a problem.
    public init(_ pointer: String, _ reason: String) {
        self.pointer = pointer
        self.reason = reason
    }
}

extension OverrideSpec {
    /// The longest time from start to end.
    public static let longest = Duration.seconds(366 * 86_400)

    /// The fields that can't be used, whatever the mesh contains, in a spec that is created now.
    public func problems(at now: Date) -> [FieldProblem] {
        var problems = problems
        let latest = now + Double(Self.longest.components.seconds)
        for (field, time) in [("/start", start), ("/until", until)] {
            guard let time else { continue }
            if time > latest { problems.append(FieldProblem(field, "should be within 366 days")) }
            // A start a moment ago is one that took a while to arrive.
            if field == "/until" ? time <= now : time < now - 60 {
                problems.append(FieldProblem(field, "should be in the future"))
            }
        }
        if let until, let over = ramp?.duration,
            let seconds = Optional(until.timeIntervalSince(max(start ?? now, now))),
            Double(over.components.seconds) > seconds
        {
            problems.append(FieldProblem("/ramp/over", "is longer than the time until `until`"))
        }
        return problems
    }

    /// The fields that can't be used, whatever the mesh contains.
    public var problems: [FieldProblem] {
        var problems = actionProblems
        problems += names.compactMap { field, name in
            name.isPlain && (1...253).contains(name.utf8.count)
                ? nil : FieldProblem(field, "should be a name of 1 to 253 bytes on one line")
        }
        if let views, views.isEmpty || Set(views).count < views.count || views.count > Self.maxNames {
            problems.append(FieldProblem("/views", "should name each cluster once, or be left out"))
        }
        if !(3...300).contains(reason.count) || reason.utf8.count > 1_200 || !reason.isPlain {
            problems.append(FieldProblem("/reason", "should be one line of 3 to 300 characters, at most 1200 bytes"))
        }
        switch (until, permanent ?? false) {
        case (nil, false): problems.append(FieldProblem("/until", "is needed, or `permanent: true`"))
        case (_?, true): problems.append(FieldProblem("/permanent", "can't be true together with `until`"))
        default: break
        }
        // Stores keep whole milliseconds.
        if let until, let start, until.timeIntervalSince(start) < 0.001 {
            problems.append(FieldProblem("/until", "should be after `start`"))
        }
        for (field, ramp) in [("/ramp", ramp), ("/restore", restore)] {
            guard let ramp else { continue }
            if shares == nil, multiplier == nil {
                problems.append(FieldProblem(field, "only shares and multipliers change in steps"))
            }
            problems += ramp.problems(at: field)
        }
        if service == "*", abort?.errors?.times != nil || abort?.latency != nil {
            problems.append(FieldProblem("/abort", "compares with the time before, which takes one service, not `*`"))
        }
        return problems + (abort?.problems ?? [])
    }

    /// The most clusters and zones that a spec can name.
    private static let maxNames = 100

    /// Every name in the spec, with its field.
    private var names: [(field: String, name: String)] {
        var names = [("/service", service)]
        names += (views ?? []).enumerated().map { ("/views/\($0)", $1) }
        for key in (shares ?? [:]).keys.sorted() {
            let part = Self.part(key)
            let field = "/shares/\(Self.escaped(key.plain))"
            names.append((field, part.cluster.rawValue))
            if let zone = part.zone { names.append((field, zone)) }
        }
        for (field, target) in [("/multiplier/target", multiplier?.target), ("/drain", drain)] {
            guard let target else { continue }
            names.append(("\(field)/cluster", target.cluster))
            names += [("zone", target.zone), ("pod", target.pod), ("gateway", target.gateway)].compactMap { key, name in
                name.map { ("\(field)/\(key)", $0) }
            }
        }
        names += (abort?.metrics ?? [:]).keys.map { ("/abort/metrics", $0) }
        return names
    }

    private var actionProblems: [FieldProblem] {
        var problems: [FieldProblem] = []
        let actions = [shares != nil, multiplier != nil, drain != nil, balance != nil].count { $0 }
        if actions != 1 {
            problems.append(FieldProblem("", "should have exactly one of: shares, multiplier, drain, balance"))
        }
        if service == "*", drain == nil { problems.append(FieldProblem("/service", "`*` is for drains only")) }
        if let shares {
            if shares.isEmpty || shares.count > Self.maxNames {
                problems.append(FieldProblem("/shares", "should name 1 to \(Self.maxNames) clusters or zones"))
            }
            for (name, percent) in shares.sorted(by: { $0.key < $1.key }) {
                let pointer = "/shares/\(Self.escaped(name))"
                let part = Self.part(name)
                if part.zone != nil, shares[part.cluster.rawValue] != nil {
                    problems.append(FieldProblem(pointer, "can't be set together with the share of its whole cluster"))
                } else if !(0...100).contains(percent) || abs((percent * 100).rounded() - percent * 100) > 1e-6 {
                    problems.append(FieldProblem(pointer, "should be 0 to 100 percent, with up to two decimals"))
                }
            }
            if shares.values.reduce(0, +) > 100.000_001 {
                problems.append(FieldProblem("/shares", "add up to more than 100 percent"))
            }
        }
        if let multiplier, Self.millionths(multiplier.by) == nil {
            problems.append(
                FieldProblem("/multiplier/by", "should be a decimal from 0.01 to 100, with up to six decimal places"))
        }
        for (field, target) in [("/multiplier/target", multiplier?.target), ("/drain", drain)] {
            guard let target else { continue }
            if [target.zone, target.pod, target.gateway].count(where: { $0 != nil }) > 1 {
                problems.append(FieldProblem(field, "should have one of `zone`, `pod` and `gateway` at most"))
            }
            guard let gateway = target.gateway else { continue }
            let pointer = "\(field)/gateway"
            if field != "/drain" || service != "*" {
                problems.append(FieldProblem(pointer, "only a drain with service `*` can name a gateway"))
            } else if SocketAddress(gateway) == nil {
                problems.append(FieldProblem(pointer, "should be an address such as 10.0.0.1:15443"))
            }
        }
        if let balance, !["global", "local-first"].contains(balance) {
            problems.append(FieldProblem("/balance", "should be one of: global, local-first"))
        }
        return problems
    }

    /// A decimal from 0.01 to 100 in millionths; nil for any other text.
    public static func millionths(_ decimal: String) -> UInt64? {
        let parts = decimal.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count),
            parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            parts[0].count <= 3, parts.count == 1 || parts[1].count <= 6, let whole = UInt64(parts[0])
        else { return nil }
        let digits = parts.count == 2 ? parts[1] : ""
        let value = whole * 1_000_000 + (UInt64(digits + String(repeating: "0", count: 6 - digits.count)) ?? 0)
        return (10_000...100_000_000).contains(value) ? value : nil
    }

    /// A name as a part of a JSON pointer (RFC 6901).
    public static func escaped(_ name: String) -> String {
        name.replacing("~", with: "~0").replacing("/", with: "~1")
    }
}

extension OverrideSpec.Ramp {
    /// The time from the start to the last step; nil if it can't be read.
    public var duration: Duration? { TimeSpan(over)?.duration }

    fileprivate func problems(at pointer: String) -> [FieldProblem] {
        var problems: [FieldProblem] = []
        if !(1...100).contains(steps) { problems.append(FieldProblem("\(pointer)/steps", "should be 1 to 100")) }
        guard let duration, duration <= .seconds(7 * 86_400) else {
            return problems + [FieldProblem("\(pointer)/over", "should be a time such as 90s, 10m or 2h, at most 168h")]
        }
        if (1...100).contains(steps), duration < .seconds(5 * steps) {
            problems.append(FieldProblem("\(pointer)/over", "leaves less than 5s for a step"))
        }
        return problems
    }
}
