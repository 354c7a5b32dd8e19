/// A connection to a gRPC server whose streams are read and written by hand.
public final class Channel: Sendable {
    private let client: Client<ClientHandler>

    /// - Parameter address: an IP address and a port. Each channel has a connection of its own.
    public init(
        address: String, security: ChannelSecurity = .plaintext, keepalive: Keepalive? = nil
    ) throws(TransportError) {
        client = try Client(address: address, security: security, keepalive: keepalive)
    }

    /// Opens a bidirectional stream.
    ///
    /// A server that can't be reached ends it with UNAVAILABLE.
    ///
    /// - Parameter isReading: false for a stream that never reads, to see what its server does about it.
    public func open(_ method: String, isReading: Bool = true) async -> ClientStream {
        let (messages, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        let stream = await client.open(method, isReading: isReading) { ClientHandler(messages: continuation) }
        return ClientStream(messages: messages, stream: stream)
    }

    /// Cancels every stream and frees everything.
    ///
    /// Call it once.
    public func shutdown() async { await client.shutdown() }
}

/// A client's end of a stream.
public struct ClientStream: Sendable {
    /// What the server sends, in order.
    ///
    /// Ends when the server ends the stream with OK, and throws `GRPCStatus` for any other end.
    public let messages: AsyncThrowingStream<[UInt8], any Error>
    fileprivate let stream: StreamReference<ClientHandler>

    /// Queues a message for sending.
    public func send(_ message: [UInt8]) async { await stream.perform { $0.outgoing.append(message) } }

    /// Sends no more; the server may go on.
    public func halfClose() async { await stream.halfClose() }

    /// Ends the stream at once.
    public func cancel() async { await stream.cancel() }
}

/// Passes messages on to whoever iterates over them, and sends what is queued.
final class ClientHandler: StreamHandler {
    fileprivate var outgoing: [[UInt8]] = []
    private let messages: AsyncThrowingStream<[UInt8], any Error>.Continuation

    fileprivate init(messages: AsyncThrowingStream<[UInt8], any Error>.Continuation) { self.messages = messages }

    func receive(_ message: RawSpan) throws(GRPCStatus) { messages.yield([UInt8](copying: message)) }

    func nextMessage() -> [Slice]? { outgoing.isEmpty ? nil : [Slice(outgoing.removeFirst())] }

    func closed(_ status: GRPCStatus) {
        messages.finish(throwing: status.code == .ok ? nil : status)
    }
}
