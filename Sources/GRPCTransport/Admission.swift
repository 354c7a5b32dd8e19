import Synchronization

/// Counts streams and connections, and refuses what goes over the limits.
final class Admission: Sendable {
    private struct Counts {
        var streams = 0
        var byPeer: [String: Int] = [:]
    }

    private let limits: ServerLimits
    private let counts = Mutex(Counts())

    init(limits: ServerLimits) { self.limits = limits }

    /// Lets a stream in, or says why not.
    ///
    /// A stream that was let in has to `leave`.
    func admit(_ peer: String) -> Result<Void, GRPCStatus> {
        counts.withLock { counts in
            guard counts.streams < limits.streams else {
                return .failure(
                    GRPCStatus(.resourceExhausted, "the server's limit of \(limits.streams) streams is reached"))
            }
            guard counts.byPeer[peer] != nil || counts.byPeer.count < limits.connections else {
                return .failure(
                    GRPCStatus(.resourceExhausted, "the server's limit of \(limits.connections) connections is reached")
                )
            }
            counts.streams += 1
            counts.byPeer[peer, default: 0] += 1
            return .success(())
        }
    }

    func leave(_ peer: String) {
        counts.withLock { counts in
            counts.streams -= 1
            let left = counts.byPeer[peer, default: 1] - 1
            counts.byPeer[peer] = left == 0 ? nil : left
        }
    }
}
