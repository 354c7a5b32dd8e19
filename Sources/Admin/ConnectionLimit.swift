import Model
import NIOCore
import NIOHTTPTypes
import Synchronization

/// How many connections the admin API has, in all and from one address.
///
/// One more takes the place of the oldest: a probe takes milliseconds, and half a request may take its sender's time.
final class ConnectionLimit: Sendable {
    private struct Connection {
        var number: Int
        /// Nil where there is none.
        var address: IPAddress?
        var channel: any Channel
    }

    private struct State {
        var last = 0
        /// In the order in which they came.
        var connections: [Connection] = []
    }

    private let most: Int
    private let mostOfAddress: Int
    private let state = Mutex(State())

    init(most: Int = 512, ofAddress mostOfAddress: Int = 64) {
        self.most = most
        self.mostOfAddress = mostOfAddress
    }

    /// Counts a connection until it is closed, and closes the oldest if there are too many.
    fileprivate func enter(_ channel: any Channel) {
        let address = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }?.network
        let (number, oldest) = state.withLock { state in
            state.last += 1
            state.connections.append(Connection(number: state.last, address: address, channel: channel))
            let ofAddress = state.connections.count { $0.address == address }
            if ofAddress > mostOfAddress {
                return (state.last, state.connections.first { $0.address == address }?.channel)
            }
            return (state.last, state.connections.count > most ? state.connections.first?.channel : nil)
        }
        oldest?.close(promise: nil)
        channel.closeFuture.whenComplete { [self] _ in
            state.withLock { $0.connections.removeAll { $0.number == number } }
        }
    }

    /// For one connection.
    func makeHandler() -> some RemovableChannelHandler { RequestLimit(self) }
}

/// Closes its connection when it has not brought a whole request in time, when it brings a second one, and when its answer
/// has not been read in time.
private final class RequestLimit: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart

    private static let requestTime = TimeAmount.seconds(10)
    private static let answerTime = TimeAmount.seconds(60)

    private let limit: ConnectionLimit
    private var deadline: Scheduled<Void>?
    private var hasHead = false

    init(_ limit: ConnectionLimit) { self.limit = limit }

    func handlerAdded(context: ChannelHandlerContext) {
        limit.enter(context.channel)
        close(context.channel, after: Self.requestTime)
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            // Answers say `Connection: close`.
            guard !hasHead else { return context.close(promise: nil) }
            hasHead = true
        case .body: break
        case .end: close(context.channel, after: Self.answerTime)
        }
        context.fireChannelRead(data)
    }

    private func close(_ channel: any Channel, after time: TimeAmount) {
        deadline?.cancel()
        deadline = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
