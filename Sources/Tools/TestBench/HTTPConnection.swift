import NIOCore
import NIOHTTP1
import NIOPosix

/// An HTTP response.
public struct HTTPAnswer: Sendable {
    /// The status code, for example 200.
    public var status: Int
    /// The body as text.
    public var body: String
}

/// A keep-alive HTTP/1.1 connection for one request at a time.
public struct HTTPConnection {
    private var inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    private let host: String

    /// Opens a connection while `body` runs.
    public static func open<Result: Sendable>(
        host: String, port: Int, _ body: @Sendable (inout HTTPConnection) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(.nanoseconds(Patience.usual.components.seconds * 1_000_000_000))
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var connection = HTTPConnection(
                inbound: inbound.makeAsyncIterator(), outbound: outbound, host: "\(host):\(port)"
            )
            return try await body(&connection)
        }
    }

    /// Sends one request on its own connection.
    public static func get(
        host: String, port: Int, _ path: String, isPost: Bool = false
    ) async throws -> HTTPAnswer {
        try await open(host: host, port: port) { try await $0.get(path, isPost: isPost) }
    }

    /// Sends a request without a body, and reads the whole response.
    public mutating func get(
        _ path: String, isPost: Bool = false, headers: [(String, String)] = []
    ) async throws -> HTTPAnswer {
        let head = HTTPRequestHead(
            version: .http1_1, method: isPost ? .POST : .GET, uri: path,
            headers: HTTPHeaders([("host", host)] + headers))
        try await outbound.write(contentsOf: [.head(head), .end(nil)])
        var answer = HTTPAnswer(status: 0, body: "")
        while let part = try await inbound.next() {
            switch part {
            case .head(let head): answer.status = Int(head.status.code)
            case .body(let bytes): answer.body += String(buffer: bytes)
            case .end: return answer
            }
        }
        throw BenchError("\(host) closed the connection during \(path)")
    }
}
