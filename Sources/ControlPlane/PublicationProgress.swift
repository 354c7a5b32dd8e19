import CoreMetrics
import Synchronization

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

    init(_ metrics: ControlPlaneMetrics, at start: ContinuousClock.Instant) {
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

    /// All streams have been told.
    func told() {
        written()
        acknowledged()
    }
}

/// One stream's part in publications: what it owes its client, and what the client has yet to take.
struct PushProgress {
    private let metrics: ControlPlaneMetrics
    private var unwritten: PublicationProgress?
    private var unacknowledged: PublicationProgress?

    init(_ metrics: ControlPlaneMetrics) { self.metrics = metrics }

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

    /// Everything that the stream owes has been written.
    mutating func written() {
        guard let progress = unwritten else { return }
        unwritten = nil
        metrics.queueDepth.decrement()
        progress.written()
        unacknowledged?.acknowledged()
        unacknowledged = progress
    }

    /// The client has answered the last response.
    mutating func acknowledged() {
        unacknowledged?.acknowledged()
        unacknowledged = nil
    }

    /// The stream is over.
    mutating func ended() {
        written()
        acknowledged()
    }
}
