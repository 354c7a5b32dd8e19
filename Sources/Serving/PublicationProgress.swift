import CoreMetrics
import Synchronization
import XDS

/// How far a publication has come: how many streams have yet to be written what it changed for them, and to take it.
final class PublicationProgress: Sendable {
    private struct Stage: ~Copyable {
        /// Streams that are not through; and one for the publisher, who is not through with the streams.
        let remaining = Atomic(1)
        let timer: Timer

        func enter() { remaining.add(1, ordering: .relaxed) }

        func leave(since start: ContinuousClock.Instant) {
            if remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { timer.record(since: start) }
        }
    }

    private let start: ContinuousClock.Instant
    private let writing: Stage
    private let acknowledging: Stage

    init(_ metrics: ServingMetrics, at start: ContinuousClock.Instant) {
        self.start = start
        writing = Stage(timer: metrics.snapshotToLastWrite)
        acknowledging = Stage(timer: metrics.snapshotToLastACK)
    }

    /// A stream has to be written something.
    func owe() {
        writing.enter()
        acknowledging.enter()
    }

    func written() { writing.leave(since: start) }

    func acknowledged() { acknowledging.leave(since: start) }

    /// The streams of one more thread are to be told.
    func tell() { owe() }

    /// All streams of a thread have been told; and once more, by the publisher.
    func told() {
        written()
        acknowledged()
    }
}

/// One stream's part in publications: what it owes its client, and what the client has yet to take.
struct PushProgress {
    /// Up to which publication everything has been written with which response.
    private struct Mark {
        var nonce: Nonce
        var publication: UInt64
    }

    /// More responses without an answer than this are forgotten, the first ones first.
    private static let mostMarks = 16

    private let metrics: ServingMetrics
    private var unwritten: PublicationProgress?
    private var unacknowledged: PublicationProgress?
    /// Those that the client has not answered yet.
    private var marks: [Mark] = []
    private var answered = Nonce.none
    /// The newest publication whose last response, and with it all before, the client has answered, be it with a NACK.
    private(set) var taken: UInt64 = 0

    init(_ metrics: ServingMetrics) { self.metrics = metrics }

    /// A publication changed something for this stream.
    ///
    /// What an earlier one changed goes with it, if it hasn't been written.
    mutating func owe(_ progress: PublicationProgress) {
        progress.owe()
        if let unwritten {
            metrics.conflatedPushes.increment()
            unwritten.written()
            unwritten.acknowledged()
        } else {
            metrics.queueDepth.increment()
        }
        unwritten = progress
    }

    /// Everything up to a publication has been written, with this response as the last one.
    mutating func written(_ publication: UInt64, _ last: Nonce) {
        written()
        if answered == last {
            taken = publication
        } else if marks.last?.nonce == last {
            marks[marks.count - 1].publication = publication
        } else {
            if marks.count == Self.mostMarks { marks.removeFirst() }
            marks.append(Mark(nonce: last, publication: publication))
        }
    }

    /// The client has answered a response; the last one is `last`.
    mutating func acknowledged(_ nonce: Nonce, of last: Nonce) {
        guard nonce > answered, nonce <= last else { return }
        answered = nonce
        while let mark = marks.first, mark.nonce <= nonce {
            taken = mark.publication
            marks.removeFirst()
        }
        if nonce == last { acknowledged() }
    }

    private mutating func written() {
        guard let progress = unwritten else { return }
        unwritten = nil
        metrics.queueDepth.decrement()
        progress.written()
        unacknowledged?.acknowledged()
        unacknowledged = progress
    }

    private mutating func acknowledged() {
        unacknowledged?.acknowledged()
        unacknowledged = nil
    }

    /// The stream is over.
    mutating func ended() {
        written()
        acknowledged()
    }
}
