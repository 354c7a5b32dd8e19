import GRPCTransport
import MeshConfiguration
import Synchronization

/// Limits the memory that the server keeps for clients: per stream, per client, per identity, and in total.
///
/// A client is a connection. Its identity is the name in its certificate, or its IP address if it has none.
final class Budget: Sendable {
    /// The bytes charged for one stream; returned by `release`.
    struct Share {
        fileprivate let client: String
        fileprivate let identity: String
        fileprivate(set) var bytes = 0

        init(_ head: StreamHead) {
            client = head.peer
            identity = head.identity
        }
    }

    private struct Sums {
        var total = 0
        var clients: [String: Int] = [:]
        var identities: [String: Int] = [:]

        mutating func add(_ bytes: Int, to share: Share) {
            total += bytes
            Self.add(bytes, to: share.client, in: &clients)
            Self.add(bytes, to: share.identity, in: &identities)
        }

        private static func add(_ bytes: Int, to key: String, in sums: inout [String: Int]) {
            let sum = sums[key, default: 0] + bytes
            sums[key] = sum == 0 ? nil : sum
        }
    }

    private let limits: Configuration.Limits
    private let sums = Mutex(Sums())

    init(_ limits: Configuration.Limits) { self.limits = limits }

    /// The bytes charged for all streams.
    var total: Int { sums.withLock { $0.total } }

    /// Sets the total charge of a stream.
    ///
    /// - Throws: if a limit would be exceeded; the charge is then unchanged.
    func charge(_ share: inout Share, _ bytes: Int) throws(GRPCStatus) {
        guard bytes != share.bytes else { return }
        guard bytes <= limits.bytesPerStream else {
            throw Self.exceeded("the stream", limits.bytesPerStream, "bytesPerStream")
        }
        let more = bytes - share.bytes
        let broken: (String, Int, String)? = sums.withLock { [share] sums in
            if more > 0 {
                if sums.clients[share.client, default: 0] + more > limits.bytesPerClient {
                    return ("the client", limits.bytesPerClient, "bytesPerClient")
                }
                if sums.identities[share.identity, default: 0] + more > limits.bytesPerIdentity {
                    return ("the clients of one identity", limits.bytesPerIdentity, "bytesPerIdentity")
                }
                if sums.total + more > limits.bytes { return ("all clients together", limits.bytes, "bytes") }
            }
            sums.add(more, to: share)
            return nil
        }
        if let (who, limit, field) = broken { throw Self.exceeded(who, limit, field) }
        share.bytes = bytes
    }

    /// Returns a stream's whole charge.
    func release(_ share: inout Share) {
        sums.withLock { [share] in $0.add(-share.bytes, to: share) }
        share.bytes = 0
    }

    private static func exceeded(_ who: String, _ limit: Int, _ field: String) -> GRPCStatus {
        GRPCStatus(
            .resourceExhausted,
            "\(who) subscribed to more names than fit into \(limit) bytes: raise xds.limits.\(field), or subscribe to fewer"
        )
    }
}
