import CoreMetrics
import Synchronization
import XDS

/// Counts the streams that a publication still has to be written to, and those that still have to answer it (ACK or
/// NACK).
final class PublicationProgress: Sendable {
    private struct Stage: ~Copyable {
        /// The streams that remain, plus one for each thread not yet finished and one for the publisher.
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

    /// Counts a stream for which the publication changed something.
    func addStream() {
        writing.enter()
        acknowledging.enter()
    }

    func written() { writing.leave(since: start) }

    func acknowledged() { acknowledging.leave(since: start) }

    /// Counts a thread whose streams have not applied the publication yet.
    func addThread() { addStream() }

    /// A thread has finished with its streams, or the publisher with its threads.
    func finishThread() {
        written()
        acknowledged()
    }
}

/// One stream's progress: the last publication not yet written, and the last one not yet answered.
struct PushProgress {
    /// The publication up to which everything has been written, with the nonce of its last response.
    private struct Mark {
        var nonce: Nonce
        var publication: UInt64
    }

    /// The maximum number of unanswered marks; beyond it the oldest are forgotten.
    private static let maxMarks = 16

    private let metrics: ServingMetrics
    private var unwritten: PublicationProgress?
    private var unacknowledged: PublicationProgress?
    /// The marks that the client has not answered yet.
    private var marks: [Mark] = []
    private var answered = Nonce.none
    /// The newest publication that the client has answered completely, with ACKs or NACKs.
    private(set) var taken: UInt64 = 0

    init(_ metrics: ServingMetrics) { self.metrics = metrics }

    /// Whether the client has answered a response.
    func hasAnswered(_ nonce: Nonce) -> Bool { answered >= nonce }

    /// Notes that a publication changed something for this stream.
    ///
    /// If an earlier publication has not been written yet, both are written together.
    mutating func enqueue(_ progress: PublicationProgress) {
        progress.addStream()
        if let unwritten {
            metrics.conflatedPushes.increment()
            unwritten.written()
            unwritten.acknowledged()
        } else {
            metrics.queueDepth.increment()
        }
        unwritten = progress
    }

    /// Notes that everything up to a publication has been written; `last` is the nonce of its last response.
    mutating func written(_ publication: UInt64, _ last: Nonce) {
        written()
        if answered == last {
            taken = publication
        } else if marks.last?.nonce == last {
            marks[marks.count - 1].publication = publication
        } else {
            if marks.count == Self.maxMarks { marks.removeFirst() }
            marks.append(Mark(nonce: last, publication: publication))
        }
    }

    /// Notes that the client has answered a response; `last` is the nonce of the newest response.
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

    /// Notes that the stream has ended.
    mutating func ended() {
        written()
        acknowledged()
    }
}
