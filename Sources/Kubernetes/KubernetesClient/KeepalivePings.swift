import NIOCore
import NIOHTTP2

/// Sends HTTP/2 pings on a connection, and closes it if one is not answered.
///
/// This detects a connection cut by a network partition or a node restart, even if no request uses it (RFC 9113, 6.7).
final class KeepalivePings: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// The time between pings, and the timeout for the response to one.
    private let interval: TimeAmount
    private var isAwaiting = false
    private var next: Scheduled<Void>?

    private init(_ interval: TimeAmount) { self.interval = interval }

    /// Adds the handler to a connection that has all its other handlers.
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
