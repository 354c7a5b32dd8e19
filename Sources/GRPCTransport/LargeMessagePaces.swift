import Synchronization

/// How fast large messages are read from all streams of one identity: what they cost, others wait for.
final class LargeMessagePaces: Sendable {
    /// From this length on a message is large, in bytes.
    private static let large = 32 << 10
    /// More identities than this are forgotten, those first that need not wait.
    static let maxIdentities = 10_000

    private let kilobytesPerSecond: Int
    private let paces = Mutex<[String: Pace]>([:])

    init(bytesPerSecond: Int) { kilobytesPerSecond = max(bytesPerSecond / 1_024, 1) }

    /// Counts a message.
    ///
    /// - Returns: how long the identity's next one has to wait; nil where it needn't.
    func take(_ byteCount: Int, of identity: String, at now: ContinuousClock.Instant) -> Duration? {
        guard byteCount >= Self.large else { return nil }
        return paces.withLock { paces in
            if paces.count >= Self.maxIdentities, paces[identity] == nil {
                paces = paces.filter { $0.value.isBehind(at: now) }
                if paces.count >= Self.maxIdentities { paces.remove(at: paces.startIndex) }
            }
            return paces[identity, default: Pace(rate: kilobytesPerSecond)].take(byteCount / 1_024, at: now)
        }
    }

    /// How many identities are remembered.
    var count: Int { paces.withLock { $0.count } }

    /// How long the identity's next message has to wait; nil where it needn't.
    func wait(of identity: String, at now: ContinuousClock.Instant) -> Duration? {
        paces.withLock { $0[identity]?.wait(at: now) }
    }
}
