import Model
import NIOCore
import NIOPosix
import Synchronization

/// A DNS server on loopback with configured answers.
public final class NameServer: Sendable {
    /// An answer.
    public enum Answer: Sendable {
        /// Addresses of the requested type, preceded by an alias.
        case addresses([String], ttl: UInt32)
        /// A response code, for example 3 for a name that doesn't exist.
        case code(UInt8)
        /// Bytes that are not a DNS message.
        case garbage
        /// No answer.
        case silence
        /// A truncated answer over UDP; these addresses over TCP.
        case truncated([String])
    }

    private final class Shared: Sendable {
        let answers = Mutex<[String: Answer]>([:])
        let questions = Mutex<[String]>([])
    }

    private let shared = Shared()
    private let host: String
    private let udp: any NIOCore.Channel
    private let tcp: any NIOCore.Channel

    /// Listens on a port that the system chooses, over UDP and TCP.
    public init() async throws {
        let shared = shared
        // The random address makes it likely that the port is free for both protocols.
        let host = "127.\(Int.random(in: 16...254)).\(Int.random(in: 1...254)).53"
        self.host = host
        udp = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Datagrams(shared))
                }
            }
            .bind(host: host, port: 0).get()
        tcp = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Stream(shared)) }
            }
            .bind(host: host, port: udp.localAddress?.port ?? 0).get()
    }

    /// The address and port.
    public var address: String { "\(host):\(udp.localAddress?.port ?? 0)" }

    /// The questions received, for example `gw.example AAAA`.
    public var questions: [String] { shared.questions.withLock { $0 } }

    /// Sets the answer for a name; `type` is A or AAAA.
    public func set(_ name: String, _ type: String, _ answer: Answer) {
        shared.answers.withLock { $0["\(name) \(type)"] = answer }
    }

    /// Stops listening.
    public func stop() async {
        try? await udp.close()
        try? await tcp.close()
    }

    private static func reply(to bytes: [UInt8], _ shared: Shared, overTCP: Bool) -> [UInt8]? {
        var labels: [String] = []
        var offset = 12
        while bytes[offset] != 0 {
            let length = Int(bytes[offset])
            labels.append(String(decoding: bytes[offset + 1...offset + length], as: UTF8.self))
            offset += length + 1
        }
        let end = offset + 5
        let isIPv6 = bytes[offset + 2] == 28
        let key = "\(labels.joined(separator: ".")) \(isIPv6 ? "AAAA" : "A")"
        shared.questions.withLock { $0.append(key) }
        var (flags, code): (UInt8, UInt8) = (0x81, 0x80)
        var found: [String] = []
        var ttl: UInt32 = 0
        switch shared.answers.withLock({ $0[key] }) ?? .code(3) {
        case .addresses(let addresses, let seconds): (found, ttl) = (addresses, seconds)
        case .code(let number): code |= number
        case .garbage: return [1, 2, 3]
        case .silence: return nil
        case .truncated(let addresses):
            if overTCP { found = addresses } else { flags |= 0x02 }
        }
        let count: UInt8 = found.isEmpty ? 0 : UInt8(found.count + 1)
        var reply: [UInt8] = Array(bytes[0..<2])
        reply += [flags, code, 0, 1, 0, count, 0, 0, 0, 0]
        reply += bytes[12..<end]
        let seconds: [UInt8] = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: ttl >> UInt32($0)) }
        if !found.isEmpty {
            // An alias to a name of one letter in this message, with a longer TTL.
            reply += [0xc0, 12, 0, 5, 0, 1, 0, 0, 0xff, 0, 0, 3, 1, UInt8(ascii: "x"), 0]
        }
        for text in found {
            guard let address = IPAddress(text) else { continue }
            // 2001::1 is the only IPv6 address supported.
            let ipv6: [UInt8] = [0x20, 1] + [UInt8](repeating: 0, count: 13) + [1]
            let data: [UInt8] = address.isIPv6 ? ipv6 : text.split(separator: ".").compactMap { UInt8($0) }
            // The alias's name is 12 bytes into its record, which follows the question.
            reply += [0xc0, UInt8(end + 12), 0, isIPv6 ? 28 : 1, 0, 1]
            reply += seconds
            reply += [0, UInt8(data.count)]
            reply += data
        }
        return reply
    }

    private final class Datagrams: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        let shared: Shared

        init(_ shared: Shared) { self.shared = shared }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            guard let reply = NameServer.reply(to: Array(envelope.data.readableBytesView), shared, overTCP: false)
            else { return }
            let answer = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: reply))
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
    }

    private final class Stream: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let shared: Shared

        init(_ shared: Shared) { self.shared = shared }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView.dropFirst(2))
            guard let reply = NameServer.reply(to: bytes, shared, overTCP: true) else { return }
            let header = [UInt8(reply.count >> 8), UInt8(reply.count & 0xff)]
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: header + reply)), promise: nil)
        }
    }
}
