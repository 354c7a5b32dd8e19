import AdminAPI
import Foundation
import Model
import Overrides

extension SafetyRule {
    /// Whether the rule is about a service.
    func concerns(_ service: ServiceName) -> Bool { services?.contains(service.rawValue) != false }

    /// Why an override breaks the rule; nil if it keeps it.
    ///
    /// - Parameters:
    ///   - drains: the number of drains that are not ended.
    ///   - takers: the number of clusters that will take traffic once every override has its full effect.
    func breach(
        _ spec: OverrideSpec, _ comparison: Comparison, _ steps: [[String: Double]], drains: Int, takers: Int,
        at now: Date
    ) -> String? {
        switch demand {
        case .clusters(let least):
            let count = min(takers, comparison.clusters.count { $0.after > 0 })
            guard count < least, count < comparison.clusters.count(where: { $0.before > 0 }) else { return nil }
            return "\(count) clusters would take traffic, and \(least) have to"
        case .drained(let most):
            let count = drains + (spec.drain == nil ? 0 : 1)
            return spec.drain != nil && count > most ? "\(count) drains would be in force, and \(most) may be" : nil
        case .step(let points):
            let largest = comparison.largestStep(steps)
            return largest > points + 0.005
                ? "\(decimal(largest)) points would move at once, and \(decimal(points)) may; use a ramp" : nil
        case .load(let most):
            let highest =
                comparison.clusters.flatMap(\.pods).filter { $0.after > $0.before }.compactMap(\.ofProved).max() ?? 0
            return highest > most
                ? "a pod would get \(Int((highest * 100).rounded())) % of what such pods have carried, and \(Int((most * 100).rounded())) % may be"
                : nil
        case .closed(let window):
            return window.contains(max(spec.start ?? now, now)) ? "closed \(window.text) (\(window.zone))" : nil
        }
    }
}
