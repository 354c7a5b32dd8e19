import HTTPTypes
import Model
import NIOCore
import NIOHTTPTypes
import Synchronization

/// Limits the connections to the admin API, in total and from one address (IPv6: from one /64).
///
/// A new connection beyond the limit closes the oldest. A probe takes milliseconds, but a client can hold half a
/// request open.
final class ConnectionLimit: Sendable {
    private struct Connection {
        var number: Int
        /// The client's address, or its /64 for IPv6; nil if unknown.
        var address: IPAddress?
        var channel: any Channel
    }

    private struct State {
        var last = 0
        /// The connections, oldest first.
        var connections: [Connection] = []
    }

    private let most: Int
    private let maxOfAddress: Int
    private let state = Mutex(State())

    init(most: Int = 512, ofAddress maxOfAddress: Int = 64) {
        self.most = most
        self.maxOfAddress = maxOfAddress
    }

    /// Counts a connection until it closes; closes the oldest one if there are too many.
    fileprivate func enter(_ channel: any Channel) {
        let address = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }?.network
        let (number, oldest) = state.withLock { state in
            state.last += 1
            state.connections.append(Connection(number: state.last, address: address, channel: channel))
            let ofAddress = state.connections.count { $0.address == address }
            if ofAddress > maxOfAddress {
                return (state.last, state.connections.first { $0.address == address }?.channel)
            }
            return (state.last, state.connections.count > most ? state.connections.first?.channel : nil)
        }
        oldest?.close(promise: nil)
        channel.closeFuture.whenComplete { [self] _ in
            state.withLock { $0.connections.removeAll { $0.number == number } }
        }
    }

    /// Creates the channel handler of one connection.
    func makeHandler() -> some RemovableChannelHandler { RequestLimit(self) }
}

/// Closes its connection after the answer, or if the request isn't complete in time, if a second request arrives, or if
/// the client doesn't read the answer in time.
private final class RequestLimit: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart

    private static let requestTime = TimeAmount.seconds(10)
    private static let answerTime = TimeAmount.seconds(60)

    private let limit: ConnectionLimit
    private var deadline: Scheduled<Void>?
    private var hasHead = false
    private var isStream = false

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
            // One request for each connection: answers say `Connection: close`.
            guard !hasHead else { return context.close(promise: nil) }
            hasHead = true
        case .body: break
        case .end: if !isStream { close(context.channel, after: Self.answerTime) }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // A stream of events has no end.
        if case .head(let head) = unwrapOutboundIn(data), head.headerFields[.contentType] == "text/event-stream" {
            isStream = true
            deadline?.cancel()
        }
        guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.write(data, promise: written)
    }

    private func close(_ channel: any Channel, after time: TimeAmount) {
        deadline?.cancel()
        deadline = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
