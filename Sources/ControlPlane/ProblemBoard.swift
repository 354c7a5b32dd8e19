public import Foundation
import Synchronization

/// Something that is wrong though everything is served.
public struct Problem: Hashable, Sendable {
    /// In one sentence.
    public var sentence: String
    /// When it was found first.
    public var since: Date
}

/// Everything that is wrong, by whoever found it: begins and ends are events.
final class ProblemBoard: Sendable {
    /// Who looks for problems, in the order in which theirs are listed.
    enum Finder: Int, CaseIterable {
        case serving, loadReports, certificates
    }

    private let found = Mutex<[Finder: [String: Problem]]>([:])
    private let events: EventFeed

    init(_ events: EventFeed) { self.events = events }

    /// All of them.
    var problems: [Problem] {
        found.withLock { found in
            Finder.allCases.flatMap { (found[$0] ?? [:]).sorted { $0.key < $1.key }.map(\.value) }
        }
    }

    /// Replaces what a finder found.
    ///
    /// - Parameter sentences: by what stays the same while the problem lasts.
    func replace(_ finder: Finder, with sentences: [String: String]) {
        let (begun, ended) = found.withLock { found in
            let last = found[finder] ?? [:]
            let now = Date()
            let next = Dictionary(
                uniqueKeysWithValues: sentences.map { key, sentence in
                    (key, Problem(sentence: sentence, since: last[key]?.since ?? now))
                })
            found[finder] = next
            return (next.filter { last[$0.key] == nil }, last.filter { next[$0.key] == nil })
        }
        for problem in ended.sorted(by: { $0.key < $1.key }) { events.post(.problemEnded(problem.value)) }
        for problem in begun.sorted(by: { $0.key < $1.key }) { events.post(.problemBegan(problem.value)) }
    }

    /// Replaces what a finder found by sentences that stay the same.
    func replace(_ finder: Finder, with sentences: some Sequence<String>) {
        replace(finder, with: Dictionary(sentences.map { ($0, $0) }, uniquingKeysWith: { first, _ in first }))
    }
}
