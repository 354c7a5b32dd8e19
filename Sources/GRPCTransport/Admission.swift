import Synchronization

/// Counts streams and connections, and refuses what goes over the limits.
final class Admission: Sendable {
    private struct Counts {
        var streams = 0
        var byPeer: [String: Int] = [:]
        var byIdentity: [String: Int] = [:]
        /// Streams that were refused so far, and why the last one was.
        var refusals = 0
        var lastRefusal: GRPCStatus?
        /// Refused streams whose clients have not read that yet.
        var refused: [String: Int] = [:]
    }

    private let limits: ServerLimits
    private let counts = Mutex(Counts())

    init(limits: ServerLimits) { self.limits = limits }

    /// Lets a stream in, or says why not.
    ///
    /// A stream that was let in has to `leave`.
    func admit(_ head: StreamHead) -> Result<Void, GRPCStatus> {
        let (peer, identity) = (head.peer, head.identity)
        return counts.withLock { counts in
            guard counts.streams < limits.streams else {
                return .failure(
                    GRPCStatus(
                        .resourceExhausted,
                        "the server's limit of \(limits.streams) streams is reached (xds.limits.streams)"))
            }
            guard counts.byPeer[peer] != nil || counts.byPeer.count < limits.connections else {
                return .failure(
                    GRPCStatus(
                        .resourceExhausted,
                        "the server's limit of \(limits.connections) connections is reached (xds.limits.connections)")
                )
            }
            guard counts.byIdentity[identity, default: 0] < limits.streamsPerIdentity else {
                return .failure(
                    GRPCStatus(
                        .resourceExhausted,
                        """
                        the limit of \(limits.streamsPerIdentity) streams of one identity is reached \
                        (xds.limits.streamsPerIdentity)
                        """))
            }
            counts.streams += 1
            counts.byPeer[peer, default: 0] += 1
            counts.byIdentity[identity, default: 0] += 1
            return .success(())
        }
    }

    /// Counts a refused stream until `forgetRefusal`.
    ///
    /// - Returns: whether its connection has so many that it should be ended: a client that doesn't read has them kept.
    func noteRefusal(of head: StreamHead, _ status: GRPCStatus) -> Bool {
        counts.withLock { counts in
            counts.refusals += 1
            counts.lastRefusal = status
            counts.refused[head.peer, default: 0] += 1
            return counts.refused[head.peer, default: 0] > Self.mostRefused
        }
    }

    /// A refused stream is gone.
    func forgetRefusal(of head: StreamHead) { counts.withLock { Self.leave(head.peer, in: &$0.refused) } }

    /// How many streams were refused so far, and why the last one was.
    var refusals: (count: Int, last: GRPCStatus?) { counts.withLock { ($0.refusals, $0.lastRefusal) } }

    /// Refused streams of one connection that its client has not read yet.
    private static let mostRefused = 500

    func leave(_ head: StreamHead) {
        counts.withLock { counts in
            counts.streams -= 1
            Self.leave(head.peer, in: &counts.byPeer)
            Self.leave(head.identity, in: &counts.byIdentity)
        }
    }

    private static func leave(_ key: String, in counts: inout [String: Int]) {
        let left = counts[key, default: 1] - 1
        counts[key] = left == 0 ? nil : left
    }
}
