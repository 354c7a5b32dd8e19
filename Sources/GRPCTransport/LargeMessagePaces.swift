import Synchronization

/// The rate at which large messages are read from all streams of one identity, since their cost delays other clients.
final class LargeMessagePaces: Sendable {
    /// The least length of a large message, in bytes.
    private static let large = 32 << 10
    /// At this number of identities, those that have their whole burst left are forgotten, and if there are none, any.
    static let maxIdentities = 10_000

    private let kilobytesPerSecond: Int
    private let paces = Mutex<[String: Pace]>([:])

    init(bytesPerSecond: Int) { kilobytesPerSecond = max(bytesPerSecond / 1_024, 1) }

    /// Counts a message.
    ///
    /// - Returns: how long the identity's next message must wait; nil for no wait.
    func consume(_ byteCount: Int, of identity: String, at now: ContinuousClock.Instant) -> Duration? {
        guard byteCount >= Self.large else { return nil }
        return paces.withLock { paces in
            if paces.count >= Self.maxIdentities, paces[identity] == nil {
                paces = paces.filter { $0.value.hasUsedBurst(at: now) }
                if paces.count >= Self.maxIdentities { paces.remove(at: paces.startIndex) }
            }
            return paces[identity, default: Pace(rate: kilobytesPerSecond)].consume(byteCount / 1_024, at: now)
        }
    }

    /// How many identities are remembered.
    var count: Int { paces.withLock { $0.count } }

    /// How long the identity's next message has to wait; nil for no wait.
    func wait(of identity: String, at now: ContinuousClock.Instant) -> Duration? {
        paces.withLock { $0[identity]?.wait(at: now) }
    }
}
