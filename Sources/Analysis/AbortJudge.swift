public import Foundation
import Model
public import Overrides

/// What clients reported about one target in a stretch of time.
public struct Evidence: Hashable, Sendable {
    /// Failed and completed requests.
    public var errors = ErrorRate(errors: 0, of: 0)
    /// The mean latency in seconds; nil if unknown.
    public var latency: Double?
    /// The means of the metrics that pods report.
    public var metrics: [String: Double] = [:]
    /// The failed requests of the whole service by the ID of the node that reported them.
    public var reporters: [String: UInt64] = [:]

    /// The name of a service's own evidence, which no cluster has.
    static func key(of service: String) -> String { service == "*" ? "all services" : "service \(service)" }

    /// Who reported the most errors, in words; nil without errors.
    ///
    /// One client alone may be broken, or lie.
    var loudest: String? {
        let all = reporters.values.reduce(0.0) { $0 + Double($1) }
        guard all > 0, let most = reporters.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
        let part = Int((Double(most.value) / all * 100).rounded())
        return "\(part) % of the service's errors reported by \(most.key.prefix(64))"
    }

    /// Creates evidence.
    public init(
        errors: ErrorRate = ErrorRate(errors: 0, of: 0), latency: Double? = nil, metrics: [String: Double] = [:]
    ) {
        self.errors = errors
        self.latency = latency
        self.metrics = metrics
    }
}

/// Decides whether an override has to stop, from what clients report.
///
/// A limit counts as exceeded when two separate stretches of evidence show it: one of at most 30 seconds since the last
/// step, and then, with 99 % instead of 95 % confidence, one of what came after. So one burst of errors stops nothing,
/// and a day of noise below the limit neither. A value without a clock: the caller
/// passes the time.
public struct AbortJudge: Sendable {
    /// The fewest requests before the start that can be compared with.
    public static let fewestBefore: UInt64 = 200
    /// The longest stretch of evidence.
    public static let window: TimeInterval = 30

    private let conditions: AbortConditions
    /// What clients reported in the five minutes before the start, by target; missing if there was too little.
    private let baseline: [String: Evidence]
    /// By target, when the first stretch of evidence showed an exceeded limit, and which.
    private var suspicions: [String: (since: Date, sentence: String)] = [:]

    /// The limit that may be exceeded, in words; nil for none.
    public var suspicion: String? { suspicions.sorted { $0.key < $1.key }.first?.value.sentence }

    /// Creates a judge.
    public init(_ conditions: AbortConditions, baseline: [String: Evidence]) {
        self.conditions = conditions
        self.baseline = baseline.filter { $0.value.errors.requests >= Self.fewestBefore }
    }

    /// Why the override has to stop; nil while it needn't.
    ///
    /// - Parameters:
    ///   - step: when the last step took effect; earlier reports say nothing about it.
    ///   - evidence: what was reported since a time, by target.
    public mutating func judge(
        at now: Date, since step: Date, _ evidence: (Date) -> [String: Evidence]
    ) -> String? {
        let start = max(step, now - Self.window)
        for (target, found) in evidence(start).sorted(by: { $0.key < $1.key }) {
            guard let since = suspicions[target]?.since, since >= step else {
                suspicions[target] = excess(in: found, target, proved: found.errors.lowerBound).map { (now, $0) }
                continue
            }
            let later = evidence(since)[target] ?? Evidence()
            guard later.errors.requests >= conditions.fewest else {
                if now.timeIntervalSince(since) > Self.window { suspicions[target] = nil }
                continue
            }
            if let sentence = excess(in: later, target, proved: later.errors.strictLowerBound) { return sentence }
            suspicions[target] = nil
        }
        return nil
    }

    /// The limit that a stretch of evidence exceeds, in words.
    ///
    /// - Parameter proved: the error rate that it proves.
    private func excess(in found: Evidence, _ target: String, proved: Double) -> String? {
        guard found.errors.requests >= conditions.fewest else { return nil }
        let before = baseline[target]
        let loudest = found.loudest.map { "; \($0)" } ?? ""
        let counts = "\(found.errors.errors) of \(found.errors.requests), at least \(words(proved))"
        if let limit = conditions.highestErrorRate, proved > limit {
            return "errors \(words(found.errors.value)) in \(target) (\(counts)), limit \(words(limit))" + loudest
        }
        if let times = conditions.errors?.times, let before {
            // Without errors before, the limit is what one more error would have been.
            let rate = max(before.errors.value, 1 / Double(before.errors.requests))
            if proved > times * rate {
                return """
                    errors \(words(found.errors.value)) in \(target) (\(counts)), more than \(decimal(times)) times the \
                    \(words(before.errors.value)) before\(loudest)
                    """
            }
        }
        if let times = conditions.latency?.times, let latency = found.latency, let usual = before?.latency, usual > 0,
            latency > times * usual
        {
            return """
                latency \(decimal(latency * 1_000)) ms in \(target), more than \(decimal(times)) times the \
                \(decimal(usual * 1_000)) ms before
                """
        }
        for (name, limit) in (conditions.metrics ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let mean = found.metrics[name], mean > limit else { continue }
            return "\(name) \(decimal(mean)) in \(target), limit \(decimal(limit))"
        }
        return nil
    }

    /// Why the next step can't be judged by what clients report; nil if it can.
    ///
    /// - Parameters:
    ///   - targets: the targets whose share grows.
    ///   - evidence: what was reported since the last step.
    public func missing(in evidence: [String: Evidence], for targets: [String]) -> String? {
        guard conditions.noData != .ignore else { return nil }
        let thin = targets.sorted().first { (evidence[$0]?.errors.requests ?? 0) < conditions.fewest }
        return thin.map {
            "only \(evidence[$0]?.errors.requests ?? 0) requests to \($0) were reported since the last step, \(conditions.fewest) are needed"
        }
    }
}

private func words(_ rate: Double) -> String { "\(decimal(rate * 100)) %" }
