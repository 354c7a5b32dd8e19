import GRPCTransport
import NIOCore
import NIOPosix
import Synchronization
import TestBench
import Testing

/// A peer that opens a stream by hand, in HTTP/2's own bytes, and never answers a thing: as one whose machine is gone.
private func openStreamAndFallSilent(port: UInt16) async throws -> any NIOCore.Channel {
    var headers: [UInt8] = [0x83, 0x86]  // :method POST, :scheme http
    for (name, value) in [([0x04], "/test/Echo"), ([0x01], "peer"), ([0x0f, 0x10], "application/grpc")]
        as [([UInt8], String)]
    {
        headers += name + [UInt8(value.utf8.count)] + value.utf8
    }
    headers += [0x00, 2] + "te".utf8 + [8] + "trailers".utf8
    let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    let frame: [UInt8] = [0, 0, UInt8(headers.count), 1, 4, 0, 0, 0, 1] + headers
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(host: "127.0.0.1", port: Int(port)).get()
    try await channel.writeAndFlush(
        ByteBuffer(bytes: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings + frame))
    return channel
}

@Suite struct KeepaliveTests {
    @Test func `a peer that doesn't answer pings is given up, and one that does is not`() async throws {
        var configuration = ServerConfiguration()
        configuration.keepaliveInterval = .milliseconds(300)
        configuration.keepaliveTimeout = .seconds(1)
        try await withEcho(configuration) { server, channel, port, log in
            let alive = await channel.open("/test/Echo")
            let silent = try await openStreamAndFallSilent(port: port)
            // Its handler hears of its end: so it was there, and is no more.
            try await eventually("the silent one is given up") { log.closed.withLock { $0.count } == 1 }
            #expect(await server.collect { _ in true }.count == 1)
            await alive.send([1])
            var messages = alive.messages.makeAsyncIterator()
            let echo = try await messages.next()
            #expect(echo == [1])
            try? await silent.close()
        }
    }
}
