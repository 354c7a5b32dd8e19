import Synchronization

/// A connection to a gRPC server whose streams are read and written by hand.
public final class Channel: Sendable {
    private let client: Client<ClientHandler>

    /// - Parameters:
    ///   - address: an IP address and a port. Each channel has a connection of its own.
    ///   - keepalive: when the connection is pinged; never, if nil.
    ///   - messageBytes: the longest message that is taken, in bytes; nil for any.
    public init(
        address: String, security: ChannelSecurity = .plaintext, keepalive: Keepalive? = nil, messageBytes: Int? = nil
    ) throws(TransportError) {
        client = try Client(address: address, security: security, keepalive: keepalive, messageBytes: messageBytes)
    }

    /// Opens a bidirectional stream.
    ///
    /// A server that can't be reached ends it with UNAVAILABLE.
    ///
    /// - Parameter isReading: false for a stream that never reads, to see what its server does about it.
    public func open(_ method: String, isReading: Bool = true) async -> ClientStream {
        let (messages, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        let backlog = Backlog()
        let stream = await client.open(method, isReading: isReading) {
            ClientHandler(messages: continuation, backlog: backlog)
        }
        return ClientStream(
            messages: IncomingMessages(messages: messages, backlog: backlog, stream: stream), stream: stream)
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
    ///
    /// Those that nobody has asked for yet are held back at the server, but for a megabyte and one message.
    public let messages: IncomingMessages
    fileprivate let stream: StreamReference<ClientHandler>

    /// Queues a message for sending.
    public func send(_ message: [UInt8]) async { await stream.perform { $0.outgoing.append(message) } }

    /// Sends no more; the server may go on.
    public func halfClose() async { await stream.halfClose() }

    /// Ends the stream at once.
    public func cancel() async { await stream.cancel() }
}

/// What a server sends on one stream, in order; for one reader.
public struct IncomingMessages: AsyncSequence, Sendable {
    fileprivate let messages: AsyncThrowingStream<[UInt8], any Error>
    fileprivate let backlog: Backlog
    fileprivate let stream: StreamReference<ClientHandler>

    /// Reads on, and has the stream read more.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var messages: AsyncThrowingStream<[UInt8], any Error>.Iterator
        fileprivate let backlog: Backlog
        fileprivate let stream: StreamReference<ClientHandler>

        /// The next message; nil in the end.
        public mutating func next() async throws -> [UInt8]? {
            let message = try await messages.next()
            if let message, backlog.remove(message.count) { await stream.perform { _ in } }
            return message
        }
    }

    /// A reader.
    public func makeAsyncIterator() -> Iterator {
        Iterator(messages: messages.makeAsyncIterator(), backlog: backlog, stream: stream)
    }
}

/// How many bytes of messages have been received and not been read yet.
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

/// Passes messages on to whoever iterates over them, and sends what is queued.
final class ClientHandler: ServerStream {
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

    var takesMore: Bool { !backlog.isFull }

    func nextMessage() -> [Slice]? { outgoing.isEmpty ? nil : [Slice(outgoing.removeFirst())] }

    func closed(_ status: GRPCStatus) {
        messages.finish(throwing: status.code == .ok ? nil : status)
    }
}
