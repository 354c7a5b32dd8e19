import Synchronization

/// A connection to a gRPC server, with streams of raw messages.
public final class Channel: Sendable {
    private let client: Client<ClientHandler>

    /// - Parameters:
    ///   - address: an IP address and a port. Each channel has its own connection.
    ///   - keepalive: when the connection is pinged; nil for never.
    ///   - messageBytes: the limit on the length of a received message, in bytes; nil for none.
    public init(
        address: String, security: ChannelSecurity = .plaintext, keepalive: Keepalive? = nil, messageBytes: Int? = nil
    ) throws(TransportError) {
        client = try Client(address: address, security: security, keepalive: keepalive, messageBytes: messageBytes)
    }

    /// Opens a bidirectional stream.
    ///
    /// If the server can't be reached, the stream ends with UNAVAILABLE.
    ///
    /// - Parameter isReading: false for a stream that never reads, to test how the server copes.
    public func open(_ method: String, isReading: Bool = true) async -> ClientStream {
        let (messages, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        let backlog = Backlog()
        let stream = await client.open(method, isReading: isReading) {
            ClientHandler(messages: continuation, backlog: backlog)
        }
        return ClientStream(
            messages: IncomingMessages(messages: messages, backlog: backlog, stream: stream), stream: stream)
    }

    /// Cancels all streams and frees everything.
    ///
    /// Call it once.
    public func shutdown() async { await client.shutdown() }
}

/// The client's side of a stream.
public struct ClientStream: Sendable {
    /// The messages from the server, in order.
    ///
    /// Ends if the server ends the stream with OK; otherwise throws its `GRPCStatus`.
    ///
    /// At most a megabyte and one message are buffered; the rest is held back at the server.
    public let messages: IncomingMessages
    fileprivate let stream: StreamReference<ClientHandler>

    /// Queues a message for sending.
    public func send(_ message: [UInt8]) async { await stream.perform { $0.outgoing.append(message) } }

    /// Ends sending; the server may continue.
    public func halfClose() async { await stream.halfClose() }

    /// Cancels the stream.
    public func cancel() async { await stream.cancel() }
}

/// The messages of one stream, in order; for one reader.
public struct IncomingMessages: AsyncSequence, Sendable {
    fileprivate let messages: AsyncThrowingStream<[UInt8], any Error>
    fileprivate let backlog: Backlog
    fileprivate let stream: StreamReference<ClientHandler>

    /// Returns the buffered messages, and resumes the stream's reading when there is room again.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var messages: AsyncThrowingStream<[UInt8], any Error>.Iterator
        fileprivate let backlog: Backlog
        fileprivate let stream: StreamReference<ClientHandler>

        /// The next message; nil at the end.
        public mutating func next() async throws -> [UInt8]? {
            let message = try await messages.next()
            if let message, backlog.remove(message.count) { await stream.perform { _ in } }
            return message
        }
    }

    /// Creates the iterator.
    public func makeAsyncIterator() -> Iterator {
        Iterator(messages: messages.makeAsyncIterator(), backlog: backlog, stream: stream)
    }
}

/// The number of bytes of messages that were received but not read yet.
private final class Backlog: Sendable {
    private static let most = 1 << 20

    private let bytes = Atomic(0)

    var isFull: Bool { bytes.load(ordering: .acquiring) > Self.most }

    func add(_ count: Int) { bytes.add(count, ordering: .acquiringAndReleasing) }

    /// - Returns: whether it was full before and is not now.
    func remove(_ count: Int) -> Bool {
        let change = bytes.subtract(count, ordering: .acquiringAndReleasing)
        return change.oldValue > Self.most && change.newValue <= Self.most
    }
}

/// Passes received messages to the iterator, and sends the queued ones.
final class ClientHandler: StreamHandler {
    fileprivate var outgoing: [[UInt8]] = []
    private let messages: AsyncThrowingStream<[UInt8], any Error>.Continuation
    private let backlog: Backlog

    fileprivate init(messages: AsyncThrowingStream<[UInt8], any Error>.Continuation, backlog: Backlog) {
        self.messages = messages
        self.backlog = backlog
    }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        backlog.add(message.byteCount)
        messages.yield([UInt8](copying: message))
    }

    var canReceive: Bool { !backlog.isFull }

    func nextMessage() -> [Slice]? { outgoing.isEmpty ? nil : [Slice(outgoing.removeFirst())] }

    func closed(_ status: GRPCStatus) {
        messages.finish(throwing: status.code == .ok ? nil : status)
    }
}
