public import Foundation
import Synchronization

/// A problem that doesn't prevent serving.
public struct Problem: Hashable, Sendable {
    /// The problem in one sentence.
    public var sentence: String
    /// When the problem was found first.
    public var since: Date
}

/// All current problems, by their finder; posts an event when one begins or ends.
public final class ProblemBoard: Sendable {
    /// A component that finds problems; problems are listed in this order.
    public enum Finder: Int, CaseIterable, Sendable {
        case serving, loadReports, certificates, overrides, publication
    }

    private let found = Mutex<[Finder: [String: Problem]]>([:])
    private let events: EventFeed
    private let counted: @Sendable (Int) -> Void

    /// Creates a board without problems.
    ///
    /// - Parameters:
    ///   - events: the feed that it posts to.
    ///   - counted: called with the number of problems whenever it may have changed.
    public init(_ events: EventFeed, counted: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.events = events
        self.counted = counted
    }

    /// All problems, ordered by finder.
    public var problems: [Problem] {
        found.withLock { found in
            Finder.allCases.flatMap { (found[$0] ?? [:]).sorted { $0.key < $1.key }.map(\.value) }
        }
    }

    /// Replaces the problems of a finder.
    ///
    /// - Parameter sentences: the problems; each key stays the same while its problem lasts.
    public func replace(_ finder: Finder, with sentences: [String: String]) {
        let (begun, ended) = found.withLock { found in
            let last = found[finder] ?? [:]
            let now = Date()
            let next = Dictionary(
                uniqueKeysWithValues: sentences.map { key, sentence in
                    (key, Problem(sentence: sentence, since: last[key]?.since ?? now))
                })
            found[finder] = next
            counted(found.values.reduce(0) { $0 + $1.count })
            return (next.filter { last[$0.key] == nil }, last.filter { next[$0.key] == nil })
        }
        for problem in ended.sorted(by: { $0.key < $1.key }) { events.post(.problemEnded(problem.value)) }
        for problem in begun.sorted(by: { $0.key < $1.key }) { events.post(.problemBegan(problem.value)) }
    }

    /// Replaces the problems of a finder whose sentences stay the same while they last.
    public func replace(_ finder: Finder, with sentences: some Sequence<String>) {
        replace(finder, with: Dictionary(sentences.map { ($0, $0) }, uniquingKeysWith: { first, _ in first }))
    }
}
