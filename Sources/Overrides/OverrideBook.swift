public import Balancing
public import Foundation
public import Model

/// All known overrides, and what they do at one moment.
public struct OverrideBook: Hashable, Sendable {
    /// The largest number of overrides of one service that are not ended.
    public static let maxDepth = 8

    private var overrides: [String: Override] = [:]
    /// How many times its part by pod weights a cluster or zone may get by shares.
    public let ceiling: Double

    /// Creates an empty book.
    public init(ceiling: Double = 3) { self.ceiling = ceiling }

    /// All overrides, oldest first.
    public var all: [Override] { overrides.values.sorted(by: Self.precedes) }

    /// The override of that name; nil if there is none.
    public subscript(id: String) -> Override? { overrides[id] }

    /// Adds an override, or transitions to one that is known.
    public mutating func merge(_ override: Override) {
        guard overrides[override.id] != nil else {
            overrides[override.id] = override
            return
        }
        for transition in override.transitions { add(transition, to: override.id) }
    }

    /// Adds a transition to an override that is known.
    public mutating func add(_ transition: Override.Transition, to id: String) {
        guard overrides[id]?.transitions.contains(where: { $0.id == transition.id }) == false else { return }
        overrides[id]?.transitions.append(transition)
    }

    /// Removes ended overrides, the oldest first, beyond a number.
    public mutating func forgetEnded(keeping most: Int, at now: Date) {
        guard overrides.count > most else { return }
        let ended = all.filter { OverrideTimeline($0).state(at: now).phase == .ended }
        for override in ended.dropLast(most) { overrides[override.id] = nil }
    }

    /// Removes one override.
    public mutating func remove(_ id: String) { overrides[id] = nil }

    /// Removes overrides that ended before a time.
    public mutating func removeEnded(before time: Date) {
        overrides = overrides.filter { OverrideTimeline($0.value).state(at: time).phase != .ended }
    }

    /// The overrides that are not ended, oldest first.
    public func current(at now: Date) -> [Override] {
        all.filter { OverrideTimeline($0).state(at: now).phase != .ended }
    }

    /// The overrides of a service that are not ended, oldest first; those of all services are included.
    public func current(of service: ServiceName, at now: Date) -> [Override] {
        current(at: now).filter { $0.spec.service == service.rawValue || $0.spec.service == "*" }
    }

    /// When an override changes next by itself; nil for never.
    public func next(after now: Date) -> Date? {
        overrides.values.compactMap { OverrideTimeline($0).state(at: now).next }.min()
    }

    /// The age, then the name.
    private static func precedes(_ left: Override, _ right: Override) -> Bool {
        (left.createdAt, left.id) < (right.createdAt, right.id)
    }
}

/// The effects of all overrides at one moment.
public struct Tunings: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        /// Nil for a spec that is planned.
        var id: String?
        var spec: OverrideSpec
        var level: Tuning.Fraction
    }

    private var entries: [Entry]
    private let ceiling: Double

    /// No effects.
    public static let none = Tunings(OverrideBook(), at: Date(timeIntervalSince1970: 0))

    /// The effects at a time.
    ///
    /// - Parameters:
    ///   - addition: a spec that is not in the book, and the level to show; it counts over all others.
    ///   - isForeseen: whether overrides that are scheduled, or still ramp, count with their full effect.
    public init(
        _ book: OverrideBook, at now: Date, adding addition: (spec: OverrideSpec, level: Tuning.Fraction)? = nil,
        isForeseen: Bool = false
    ) {
        ceiling = book.ceiling
        entries = book.all.compactMap { override in
            let state = OverrideTimeline(override).state(at: now)
            if isForeseen, [.scheduled, .ramping, .paused].contains(state.phase) {
                return Entry(id: override.id, spec: override.spec, level: .whole)
            }
            return state.level > .zero ? Entry(id: override.id, spec: override.spec, level: state.level) : nil
        }
        if let addition { entries.append(Entry(id: nil, spec: addition.spec, level: addition.level)) }
    }

    /// The services with effects; nil for all.
    public var services: Set<ServiceName>? {
        entries.contains { $0.spec.service == "*" } ? nil : Set(entries.map { ServiceName(rawValue: $0.spec.service) })
    }

    /// Whether a service has the same effects as in others.
    public func isSame(as other: Tunings, for service: ServiceName) -> Bool {
        entries(of: service) == other.entries(of: service)
    }

    /// The overrides whose effects on a service differ from those in others.
    public func differences(from other: Tunings, for service: ServiceName) -> [String] {
        let (mine, others) = (entries(of: service), other.entries(of: service))
        return Set(mine).symmetricDifference(others).compactMap(\.id).sorted()
    }

    private func entries(of service: ServiceName) -> [Entry] {
        entries.filter { $0.spec.service == service.rawValue || $0.spec.service == "*" }
    }

    /// The effects that all services have.
    public var ofEveryService: Tunings {
        var tunings = self
        tunings.entries.removeAll { $0.spec.service != "*" }
        return tunings
    }

    /// The effects on a service for the clients of a cluster.
    ///
    /// - Parameter isGateway: whether the client is the cluster's own gateway, to which only overrides for all views
    ///   apply: it serves clients of every cluster.
    public func tuning(of service: ServiceName, for client: ClusterName, isGateway: Bool) -> Tuning {
        tuning(entries(of: service), client, isGateway)
    }

    /// The effects that all services have for the clients of a cluster.
    public func tuning(for client: ClusterName, isGateway: Bool) -> Tuning {
        tuning(ofEveryService.entries, client, isGateway)
    }

    private func tuning(_ entries: [Entry], _ client: ClusterName, _ isGateway: Bool) -> Tuning {
        var tuning = Tuning()
        guard !entries.isEmpty else { return tuning }
        tuning.ceiling = ceiling
        for entry in entries {
            let origin = entry.id.map { "override \($0)" } ?? "the planned override"
            if let views = entry.spec.views, isGateway || !views.contains(client.rawValue) { continue }
            entry.spec.apply(to: &tuning, at: entry.level, origin: origin)
        }
        return tuning
    }
}

extension OverrideSpec {
    /// Adds the effects at a level above 0.
    fileprivate func apply(to tuning: inout Tuning, at level: Tuning.Fraction, origin: String) {
        if let shares {
            let targets = shares.map { name, percent in
                (Self.part(name), UInt64((min(max(percent, 0), 100) * 10_000).rounded()))
            }
            tuning.shares.append(
                Tuning.Shares(
                    targets: Dictionary(targets, uniquingKeysWith: { first, _ in first }), level: level, origin: origin)
            )
        }
        if let multiplier, let full = Self.millionths(multiplier.by) {
            // 1 + level x (by - 1), rounded.
            let (unit, parts) = (Int64(1_000_000), Int64(clamping: level.denominator))
            let change = (Int64(full) - unit) * Int64(clamping: level.numerator)
            tuning.multipliers.append(
                Tuning.Multiplier(
                    target: multiplier.target.selector, millionths: UInt64(max(1, unit + change / parts)),
                    origin: origin))
        }
        if let drain { tuning.drains.append(Tuning.Drain(drain.subject, origin: origin)) }
        if let balance = balance.flatMap(Service.Balance.init) { tuning.balance = balance }
    }
}

extension OverrideSpec {
    /// The part that a key of `shares` names: `west`, or `west/zone-a`.
    public static func part(_ name: String) -> Tuning.Part {
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return Tuning.Part(ClusterName(rawValue: parts[0]), zone: parts.count == 2 ? parts[1] : nil)
    }
}

extension OverrideSpec.Target {
    /// What a drain of the target drains.
    var subject: Tuning.Drain.Subject {
        guard let address = gateway.flatMap(SocketAddress.init(_:)) else { return .pods(selector) }
        return .gateway(ClusterName(rawValue: cluster), address)
    }

    /// The selected pods.
    public var selector: Tuning.Target {
        let cluster = ClusterName(rawValue: cluster)
        if let pod { return .pod(cluster, pod) }
        return zone.map { .zone(cluster, $0) } ?? .cluster(cluster)
    }
}
