import CGRPC

/// The streams of one completion queue, on that queue's thread.
actor StreamShard<Handler: ServerStream> {
    nonisolated let queue = CompletionQueue()
    private var streams: [OwnerID: MessageStream<Handler>] = [:]
    /// Those who wait for something else than a stream's messages: for calls, for the server's end.
    private var waiting: [OwnerID: any OperationOwner] = [:]
    /// Streams that wait to be opened, and what opens each.
    private var line = WaitingLine()
    private var openers: [OwnerID: (MessageStream<Handler>) -> Void] = [:]
    private var opening: Pace
    private var isAdvancing = false
    /// Set once: every stream, also one that is only just being accepted, ends with it.
    private(set) var finalStatus: GRPCStatus?

    /// - Parameter streamsPerSecond: how fast streams are opened that wait in line.
    init(streamsPerSecond: Int = .max) { opening = Pace(rate: min(streamsPerSecond, 1_000_000)) }

    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Starts the queue's thread.
    ///
    /// The thread holds the shard until `stop`.
    nonisolated func start() {
        queue.start { tag, isOK in
            // The tag is only a number until the shard, on this very thread, makes it an object again.
            let tag = UInt(bitPattern: tag)
            self.assumeIsolated { $0.complete(tag, isOK: isOK) }
        }
    }

    /// Ends the thread.
    ///
    /// All streams must be over.
    nonisolated func stop() async { await queue.stop() }

    /// Calls `body` with every open stream's handler, and lets each write what it then has.
    func forEach(_ body: @Sendable (Handler) -> Void) {
        for stream in streams.values {
            guard let handler = stream.openHandler else { continue }
            body(handler)
            stream.pump()
        }
    }

    /// Asks every open stream's handler.
    func collect<Answer: Sendable>(_ question: @Sendable (Handler) -> Answer) -> [Answer] {
        streams.values.compactMap { $0.openHandler.map(question) }
    }

    /// Ends every stream, and those that come.
    func finishAll(_ status: GRPCStatus) {
        finalStatus = status
        for stream in streams.values { stream.finish(status) }
    }

    /// Runs `body` on the shard's thread with the means to start operations there.
    func perform<Result: Sendable>(_ body: @Sendable (isolated StreamShard) -> Result) -> Result { body(self) }

    /// Keeps a stream until `drop`.
    func keep(_ stream: MessageStream<Handler>) {
        streams[stream.id] = stream
        if let finalStatus { stream.finish(finalStatus) }
    }

    /// Ends every stream of these connections.
    func end(_ connections: Set<String>, _ status: GRPCStatus) {
        for stream in streams.values where connections.contains(stream.connection) { stream.finish(status) }
    }

    /// Keeps someone who waits until `drop`.
    func keep(waiting owner: any OperationOwner) { waiting[owner.id] = owner }

    /// Lets an owner go; none of its operations may be outstanding.
    func drop(_ id: OwnerID) {
        if streams.removeValue(forKey: id) == nil { waiting[id] = nil }
    }

    /// Lets a stream of a connection go, wherever it waits.
    func drop(_ id: OwnerID, of connection: String) {
        drop(id)
        if openers.removeValue(forKey: id) != nil { line.remove(id, of: connection) }
    }

    /// How many streams wait to be opened.
    var waitingCount: Int { line.count }

    /// Opens a kept stream when its turn comes: at once, if no other waits and the pace allows it.
    func open(_ id: OwnerID, of connection: String, _ opener: @escaping (MessageStream<Handler>) -> Void) {
        line.append(id, of: connection)
        openers[id] = opener
        if !isAdvancing { advance() }
    }

    /// Opens streams until none waits or the pace demands a pause.
    private func advance() {
        isAdvancing = false
        while let id = line.next() {
            guard let opener = openers.removeValue(forKey: id), let stream = streams[id] else { continue }
            opener(stream)
            guard let wait = opening.take(at: .now) else { continue }
            isAdvancing = true
            Task {
                try? await Task.sleep(for: wait)
                self.advance()
            }
            return
        }
    }

    /// The stream of that identity, if it is still there.
    func stream(_ id: OwnerID) -> MessageStream<Handler>? { streams[id] }

    /// Has a stream read again after a while, unless the task is cancelled before.
    nonisolated func resumeReading(_ id: OwnerID, after wait: Duration) -> Task<Void, Never> {
        Task {
            guard (try? await Task.sleep(for: wait)) != nil else { return }
            await perform { $0.stream(id)?.resumeReading() }
        }
    }

    private func complete(_ tag: UInt, isOK: Bool) {
        guard let tag = UnsafeMutableRawPointer(bitPattern: tag) else { return }
        Tag.complete(tag, isOK: isOK)
    }
}
