import Foundation
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL
import Synchronization

/// An HTTP/2 server with TLS on loopback, whose handler writes the responses itself.
final class HTTP2Server: Sendable {
    struct Request: Sendable {
        /// For example `GET`.
        var method: String
        /// The path without the query.
        var path: String
        var query: [String: String]
        var headers: [String: String]
        var body = ""
    }

    /// The writer of a response.
    struct Answer: Sendable {
        fileprivate let channel: any NIOCore.Channel

        func head(_ status: Int, _ headers: [(String, String)]) async throws {
            let head = HTTPResponseHead(
                version: .http2, status: .init(statusCode: status), headers: HTTPHeaders(headers))
            try await write(.head(head))
        }

        func write(_ text: String) async throws { try await write(.body(.byteBuffer(ByteBuffer(string: text)))) }

        func end() async throws { try await write(.end(nil)) }

        /// Resets the stream (RST_STREAM).
        func abort() async { try? await channel.close() }

        private func write(_ part: HTTPServerResponsePart) async throws { try await channel.writeAndFlush(part) }
    }

    typealias Handler = @Sendable (Request, Answer) async throws -> Void

    let port: Int
    private let channel: any NIOCore.Channel
    private let connections: Connections

    private final class Connections: Sendable {
        private let all = Mutex<[ObjectIdentifier: any NIOCore.Channel]>([:])

        func add(_ channel: any NIOCore.Channel) {
            all.withLock { $0[ObjectIdentifier(channel)] = channel }
            channel.closeFuture.whenComplete { _ in
                _ = self.all.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
            }
        }

        func closeAll() async {
            for channel in all.withLock({ $0.values }) { try? await channel.close() }
        }
    }

    /// Starts listening.
    ///
    /// - Parameters:
    ///   - host: 127.0.0.1 or ::1.
    ///   - port: 0 lets the system choose.
    ///   - clientCA: the authority of the required client certificates; nil if none are required.
    init(
        certificate: String, key: String, clientCA: String?, host: String, port: Int, _ handler: @escaping Handler
    ) async throws {
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        tls.applicationProtocols = ["h2"]
        if let clientCA {
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(clientCA))
            tls.certificateVerification = .noHostnameVerification
        }
        let context = try NIOSSLContext(configuration: tls)
        let connections = Connections()
        self.connections = connections
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                connections.add(channel)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                        mode: .server, connectionConfiguration: .init(), streamConfiguration: .init()
                    ) { stream in
                        stream.eventLoop.makeCompletedFuture {
                            try stream.pipeline.syncOperations.addHandlers(
                                HTTP2FramePayloadToHTTP1ServerCodec(), ServerStream(handler))
                        }
                    }
                }
            }
            .bind(host: host, port: port).get()
        self.port = channel.localAddress?.port ?? 0
    }

    /// Closes all connections; frames in flight are lost.
    func disconnectAll() async { await connections.closeAll() }

    /// Stops listening, and closes all connections.
    func stop() async {
        try? await channel.close()
        await disconnectAll()
    }
}

/// Handles one request in its own task, which is cancelled when the stream ends.
private final class ServerStream: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let handler: HTTP2Server.Handler
    private var request: HTTP2Server.Request?
    private var task: Task<Void, Never>?

    init(_ handler: @escaping HTTP2Server.Handler) { self.handler = handler }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): request = HTTP2Server.Request(head)
        case .body(let part): request?.body += String(buffer: part)
        case .end: serve(context)
        }
    }

    private func serve(_ context: ChannelHandlerContext) {
        guard let request else { return }
        let answer = HTTP2Server.Answer(channel: context.channel)
        task = Task { [handler] in
            do {
                try await handler(request, answer)
            } catch {
                await answer.abort()
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) { task?.cancel() }
}

extension HTTP2Server.Request {
    fileprivate init(_ head: HTTPRequestHead) {
        let parts = head.uri.split(separator: "?", maxSplits: 1)
        method = head.method.rawValue
        path = parts.first.map(String.init) ?? "/"
        query = [:]
        for item in parts.dropFirst().first?.split(separator: "&") ?? [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = pair.count > 1 ? String(pair[1]) : ""
            query[String(pair[0])] = value.removingPercentEncoding ?? value
        }
        headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { "\($0),\($1)" })
    }
}
