import Synchronization

/// Counts streams and connections, and refuses those over the limits.
final class Admission: Sendable {
    private struct Counts {
        var streams = 0
        var byPeer: [String: Int] = [:]
        var byIdentity: [String: Int] = [:]
        /// The number of streams refused so far, and the status of the last one.
        var refusals = 0
        var lastRefusal: GRPCStatus?
        /// The number of refused streams that are not closed yet, by peer.
        var refused: [String: Int] = [:]
    }

    private let limits: ServerLimits
    private let counts = Mutex(Counts())

    init(limits: ServerLimits) { self.limits = limits }

    /// Admits or refuses a stream.
    ///
    /// An admitted stream must `leave`.
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
    /// - Returns: whether the connection should be closed because it has too many of them. They pile up if the client
    ///   doesn't read.
    func noteRefusal(of head: StreamHead, _ status: GRPCStatus) -> Bool {
        counts.withLock { counts in
            counts.refusals += 1
            counts.lastRefusal = status
            counts.refused[head.peer, default: 0] += 1
            return counts.refused[head.peer, default: 0] > Self.maxRefused
        }
    }

    /// Removes a refused stream once it is closed.
    func forgetRefusal(of head: StreamHead) { counts.withLock { Self.leave(head.peer, in: &$0.refused) } }

    /// The number of streams refused so far, and the status of the last one.
    var refusals: (count: Int, last: GRPCStatus?) { counts.withLock { ($0.refusals, $0.lastRefusal) } }

    /// The limit on refused streams of one connection that are not closed yet.
    private static let maxRefused = 500

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
