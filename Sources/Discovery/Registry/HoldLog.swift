import Foundation
public import Logging
import Model
import Pacing

/// Logs when pods are held that their source no longer lists: for how long, and what to do.
public struct HoldLog {
    /// The most holds logged at once; the others are only counted.
    private static let most = 10

    private let logger: Logger
    private var pace = LinePace(perMinute: 30)

    /// Creates a log.
    public init(_ logger: Logger) { self.logger = logger }

    /// Logs holds that began or ended.
    public mutating func log(_ changes: [HoldChange]) {
        for change in changes.prefix(Self.most) {
            if let line = pace.admit(change.sentence) { logger.log(level: change.level, "\(line)") }
        }
        guard changes.count > Self.most else { return }
        let rest = "\(changes.count - Self.most) more holds began or ended: GET /readyz lists those that last"
        if let line = pace.admit(rest) { logger.warning("\(line)") }
    }
}

extension HoldChange {
    fileprivate var level: Logger.Level {
        switch event {
        case .began(let hold) where hold.nextStep == nil: .warning
        case .began, .ended(_, .expired), .ended(_, .released), .ended(_, .failing): .notice
        case .ended(_, .settled): .info
        }
    }

    /// What happened, in a sentence.
    public var sentence: String {
        switch event {
        case .began(let hold):
            let until = (hold.nextStep == nil ? "" : "at most ") + "until \(hold.until.formatted(.iso8601))"
            return """
                \(service) in \(cluster): \(hold.reason). \(list(hold.pods)) \(hold.pods.count == 1 ? "is" : "are") served \
                \(until) (guard). To avoid this, mark pods as draining before they go.
                """
        case .ended(let pods, let end):
            switch end {
            case .settled:
                return "\(service) in \(cluster): nothing is held any more; held were \(list(pods))"
            case .expired:
                return
                    "\(service) in \(cluster): \(list(pods)) no longer served: they were held until their time was over"
            case .released: return "\(service) in \(cluster): \(list(pods)) no longer served: released"
            case .failing:
                return "\(service) in \(cluster): \(list(pods)) no longer served: most requests to what was held failed"
            }
        }
    }

    private func list(_ pods: [String]) -> String { pods.listed(most: 10) }
}
