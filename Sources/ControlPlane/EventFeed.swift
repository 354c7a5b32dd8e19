public import Discovery
public import Foundation
import Synchronization

/// Something that happened, which people and programs may want to know.
public struct Event: Sendable {
    /// What happened.
    public enum Kind: Sendable {
        /// Clients are served from now on: every source has delivered once.
        case serving(services: Int)
        /// What is served changed; a line for each service.
        case changed([String])
        /// Pods are held now, or no longer.
        case hold(HoldChange)
        /// Something is wrong now.
        case problemBegan(Problem)
        /// It is no longer.
        case problemEnded(Problem)
    }

    /// Counts up from 1.
    public var number: UInt64
    /// When it happened.
    public var time: Date
    /// What happened.
    public var kind: Kind
}

/// The last events, and every new one for those who follow; bounded, whoever follows how slowly.
public final class EventFeed: Sendable {
    /// Events that are kept, and that may wait for a follower: further ones take the place of the oldest.
    public static let capacity = 1_000
    /// Followers at a time.
    public static let mostFollowers = 64

    private struct State {
        var last: UInt64 = 0
        var events: [Event] = []
        var lastFollower = 0
        var followers: [Int: AsyncStream<Event>.Continuation] = [:]
    }

    private let state = Mutex(State())

    init() {}

    /// Adds an event.
    func post(_ kind: Event.Kind) {
        state.withLock { state in
            state.last += 1
            let event = Event(number: state.last, time: Date(), kind: kind)
            if state.events.count == Self.capacity { state.events.removeFirst() }
            state.events.append(event)
            for follower in state.followers.values { follower.yield(event) }
        }
    }

    /// The events that are kept, the oldest first, and then every new one; a gap in the numbers is what was left out.
    ///
    /// Nil if there are too many followers.
    ///
    /// - Parameter number: events up to this one are left out.
    public func follow(after number: UInt64 = 0) -> AsyncStream<Event>? {
        state.withLock { state in
            guard state.followers.count < Self.mostFollowers else { return nil }
            let (stream, continuation) = AsyncStream.makeStream(
                of: Event.self, bufferingPolicy: .bufferingNewest(Self.capacity))
            state.lastFollower += 1
            let follower = state.lastFollower
            state.followers[follower] = continuation
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { $0.followers[follower] = nil }
            }
            for event in state.events where event.number > number { continuation.yield(event) }
            return stream
        }
    }
}
