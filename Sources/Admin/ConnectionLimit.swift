import NIOCore
import Synchronization

/// How many connections the admin API has, in all and from one address.
///
/// Half a request is a connection: it is closed after a time without a whole one.
final class ConnectionLimit: Sendable {
    private struct Counts {
        var all = 0
        var byAddress: [String: Int] = [:]
    }

    private let most: Int
    private let mostOfAddress: Int
    private let counts = Mutex(Counts())

    init(most: Int = 1_024, ofAddress mostOfAddress: Int = 128) {
        self.most = most
        self.mostOfAddress = mostOfAddress
    }

    /// Counts a connection; false if there are too many.
    fileprivate func enter(_ address: String) -> Bool {
        counts.withLock { counts in
            guard counts.all < most, counts.byAddress[address, default: 0] < mostOfAddress else { return false }
            counts.all += 1
            counts.byAddress[address, default: 0] += 1
            return true
        }
    }

    fileprivate func leave(_ address: String) {
        counts.withLock { counts in
            counts.all -= 1
            let left = counts.byAddress[address, default: 1] - 1
            counts.byAddress[address] = left == 0 ? nil : left
        }
    }

    /// For one connection.
    func makeHandler() -> some RemovableChannelHandler { ConnectionLimitHandler(self) }
}

/// Closes its connection if it is one too many.
private final class ConnectionLimitHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Never

    private let limit: ConnectionLimit

    init(_ limit: ConnectionLimit) { self.limit = limit }

    func handlerAdded(context: ChannelHandlerContext) {
        let address = context.remoteAddress?.ipAddress ?? ""
        guard limit.enter(address) else {
            context.close(promise: nil)
            return
        }
        context.channel.closeFuture.whenComplete { [limit] _ in limit.leave(address) }
    }
}
