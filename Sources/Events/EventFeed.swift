public import Discovery
public import Foundation
public import Overrides
import Synchronization

/// Something that happened, for operators and programs.
public struct Event: Sendable {
    /// The kind of event, with its details.
    public enum Kind: Sendable {
        /// Clients are served from now on, because every source has synced.
        case serving(services: Int)
        /// The served state changed; one line for each service.
        case changed([String])
        /// A hold began or ended.
        case hold(HoldChange)
        /// An override was created, or a transition was added to it.
        case override(OverrideChange)
        /// A problem began.
        case problemBegan(Problem)
        /// A problem ended.
        case problemEnded(Problem)
    }

    /// The event's number, counted from 1.
    public var number: UInt64
    /// The time of the event.
    public var time: Date
    /// The kind of event, with its details.
    public var kind: Kind
}

/// The latest events, followed by every new one; memory is bounded even if followers are slow.
public final class EventFeed: Sendable {
    /// The maximum number of events kept, and of events queued for each follower; beyond it the oldest are dropped.
    public static let capacity = 1_000
    /// The maximum number of followers at a time, and of those that one caller has.
    public static let maxFollowers = (inTotal: 64, ofCaller: 16)

    private struct State {
        var last: UInt64 = 0
        var events: [Event] = []
        var lastFollower = 0
        var followers: [Int: Follower] = [:]
    }

    private struct Follower {
        /// Nil if callers can't be told apart.
        var caller: String?
        var continuation: AsyncStream<Event>.Continuation
    }

    private let state = Mutex(State())

    /// Creates a feed without events.
    public init() {}

    /// The number of the last event; 0 before the first.
    public var lastNumber: UInt64 { state.withLock { $0.last } }

    /// Whether all events after one are still kept.
    public func keeps(after number: UInt64) -> Bool {
        state.withLock { state in
            number <= state.last && (state.events.first.map { $0.number <= number + 1 } ?? (number == state.last))
        }
    }

    /// Adds an event.
    public func post(_ kind: Event.Kind) {
        state.withLock { state in
            state.last += 1
            let event = Event(number: state.last, time: Date(), kind: kind)
            if state.events.count == Self.capacity { state.events.removeFirst() }
            state.events.append(event)
            for follower in state.followers.values { follower.continuation.yield(event) }
        }
    }

    /// The kept events, oldest first, then every new one; a gap in the numbers shows dropped events.
    ///
    /// Nil if there are too many followers.
    ///
    /// - Parameters:
    ///   - number: events up to this number are skipped.
    ///   - caller: whose follower it is; nil if callers can't be told apart.
    public func follow(after number: UInt64 = 0, for caller: String? = nil) -> AsyncStream<Event>? {
        state.withLock { state in
            let ofCaller = state.followers.values.count { caller != nil && $0.caller == caller }
            guard state.followers.count < Self.maxFollowers.inTotal, ofCaller < Self.maxFollowers.ofCaller else {
                return nil
            }
            let (stream, continuation) = AsyncStream.makeStream(
                of: Event.self, bufferingPolicy: .bufferingNewest(Self.capacity))
            state.lastFollower += 1
            let follower = state.lastFollower
            state.followers[follower] = Follower(caller: caller, continuation: continuation)
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { $0.followers[follower] = nil }
            }
            for event in state.events where event.number > number { continuation.yield(event) }
            return stream
        }
    }
}
