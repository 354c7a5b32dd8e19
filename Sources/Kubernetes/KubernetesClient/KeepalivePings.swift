import NIOCore
import NIOHTTP2

/// Sends HTTP/2 pings over a connection, and closes it when one is not answered.
///
/// A connection that a partition or a restarted node cut is noticed so, though nothing is sent over it (RFC 9113, 6.7).
final class KeepalivePings: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// Between pings, and the longest wait for the answer to one.
    private let interval: TimeAmount
    private var isAwaiting = false
    private var next: Scheduled<Void>?

    private init(_ interval: TimeAmount) { self.interval = interval }

    /// Begins on a connection whose handlers are in place.
    static func begin(on channel: any Channel, every interval: TimeAmount) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(KeepalivePings(interval), position: .last)
        }
    }

    func handlerAdded(context: ChannelHandlerContext) { schedule(context) }

    func handlerRemoved(context: ChannelHandlerContext) { next?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ping(_, ack: true) = unwrapInboundIn(data).payload { isAwaiting = false }
        context.fireChannelRead(data)
    }

    private func schedule(_ context: ChannelHandlerContext) {
        next = context.eventLoop.assumeIsolated().scheduleTask(in: interval) {
            if self.isAwaiting {
                context.close(promise: nil)
            } else {
                self.isAwaiting = true
                let ping = HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(), ack: false))
                context.writeAndFlush(self.wrapOutboundOut(ping), promise: nil)
                self.schedule(context)
            }
        }
    }
}
