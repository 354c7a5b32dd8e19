import Discovery
public import Overrides
public import Logging
import Pacing

/// Writes events to the log, at a limited rate.
public struct EventLog {
    private let logger: Logger
    private var holds: HoldLog
    private var problems = LinePace(perMinute: 30)

    /// Creates a log that writes to this logger.
    public init(_ logger: Logger) {
        self.logger = logger
        holds = HoldLog(logger)
    }

    /// Follows a feed until the task is cancelled.
    public mutating func follow(_ events: EventFeed) async {
        for await event in events.follow() ?? .finished { log(event.kind) }
    }

    private mutating func log(_ event: Event.Kind) {
        switch event {
        case .serving(let services):
            logger.info("serving: the pods of every cluster are known", metadata: ["services": "\(services)"])
        case .changed(let lines): for line in lines { logger.info("\(line)") }
        case .override(let change):
            guard let sentence = change.sentence else { return }
            logger.notice("\(sentence)", metadata: ["audit": "override"])
        case .hold(let change): holds.log([change])
        case .problemBegan(let problem):
            guard let line = problems.admit("something is wrong") else { return }
            logger.warning("\(line)", metadata: ["reason": "\(problem.sentence)"])
        case .problemEnded(let problem):
            guard let line = problems.admit("a problem is over") else { return }
            logger.info("\(line)", metadata: ["problem": "\(problem.sentence)"])
        }
    }
}

extension OverrideChange {
    /// What happened, who did it and why; nil if the overrides were only read.
    public var sentence: String? {
        switch self {
        case .loaded: nil
        case .created(let override):
            "override \(override.id) of \(override.spec.service) created by \(override.createdBy): \(override.spec.summary): \(override.spec.reason)"
        case .appended(let transition, let override):
            "override \(override.id) of \(override.spec.service): \(transition.type.rawValue) by \(transition.by)\(transition.reason.isEmpty ? "" : ": \(transition.reason)")"
        }
    }
}

extension AsyncStream {
    /// A stream that has ended.
    fileprivate static var finished: AsyncStream { AsyncStream { $0.finish() } }
}
