import CGRPC

/// The streams of one completion queue, isolated to that queue's thread.
actor StreamShard<Handler: StreamHandler> {
    nonisolated let queue = CompletionQueue()
    private var streams: [OwnerID: MessageStream<Handler>] = [:]
    /// Owners of other operations: pending calls, and the shutdown notice.
    private var waiting: [OwnerID: any OperationOwner] = [:]
    /// Streams that wait to be opened, and the closures that open them.
    private var line = WaitingLine()
    private var openers: [OwnerID: (MessageStream<Handler>) -> Void] = [:]
    private var opening: Pace
    private var isAdvancing = false
    /// Set once.
    ///
    /// All streams end with it, including those that are being accepted.
    private(set) var finalStatus: GRPCStatus?

    /// - Parameter streamsPerSecond: the rate at which waiting streams are opened.
    init(streamsPerSecond: Int = .max) { opening = Pace(rate: min(streamsPerSecond, 1_000_000)) }

    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Starts the queue's thread.
    ///
    /// The thread retains the shard until `stop`.
    nonisolated func start() {
        queue.start { tag, isOK in
            // Passed as a number, since a pointer isn't Sendable; the shard, on this same thread, turns it back into a
            // pointer.
            let tag = UInt(bitPattern: tag)
            self.assumeIsolated { $0.complete(tag, isOK: isOK) }
        }
    }

    /// Ends the thread.
    ///
    /// All streams must have ended.
    nonisolated func stop() async { await queue.stop() }

    /// Calls `body` with the handler of every open stream, and then writes the handlers' next messages.
    func forEach(_ body: @Sendable (Handler) -> Void) {
        for stream in streams.values {
            guard let handler = stream.openHandler else { continue }
            body(handler)
            stream.pump()
        }
    }

    /// Collects an answer from the handler of every open stream.
    func collect<Answer: Sendable>(_ question: @Sendable (Handler) -> Answer) -> [Answer] {
        streams.values.compactMap { $0.openHandler.map(question) }
    }

    /// Ends all current and future streams.
    func finishAll(_ status: GRPCStatus) {
        finalStatus = status
        for stream in streams.values { stream.finish(status) }
    }

    /// Runs `body` on the shard's thread, isolated to the shard.
    func perform<Result: Sendable>(_ body: @Sendable (isolated StreamShard) -> Result) -> Result { body(self) }

    /// Retains a stream until `drop`.
    func keep(_ stream: MessageStream<Handler>) {
        streams[stream.id] = stream
        if let finalStatus { stream.finish(finalStatus) }
    }

    /// Ends all streams of these connections.
    func end(_ connections: Set<String>, _ status: GRPCStatus) {
        for stream in streams.values where connections.contains(stream.connection) { stream.finish(status) }
    }

    /// Retains an owner of other operations until `drop`.
    func keep(waiting owner: any OperationOwner) { waiting[owner.id] = owner }

    /// Releases an owner; none of its operations may be in flight.
    func drop(_ id: OwnerID) {
        if streams.removeValue(forKey: id) == nil { waiting[id] = nil }
    }

    /// Releases a stream of a connection, even if it still waits to be opened.
    func drop(_ id: OwnerID, of connection: String) {
        drop(id)
        if openers.removeValue(forKey: id) != nil { line.remove(id, of: connection) }
    }

    /// The number of streams that wait to be opened.
    var waitingCount: Int { line.count }

    /// Opens a stream when its turn comes: at once, if no other stream waits and the rate allows it.
    func open(_ id: OwnerID, of connection: String, _ opener: @escaping (MessageStream<Handler>) -> Void) {
        line.append(id, of: connection)
        openers[id] = opener
        if !isAdvancing { advance() }
    }

    /// Opens streams until none waits or the rate requires a pause.
    private func advance() {
        isAdvancing = false
        while let id = line.next() {
            guard let opener = openers.removeValue(forKey: id), let stream = streams[id] else { continue }
            opener(stream)
            guard let wait = opening.consume(at: .now) else { continue }
            isAdvancing = true
            Task {
                try? await Task.sleep(for: wait)
                self.advance()
            }
            return
        }
    }

    /// The stream with this ID, if it still exists.
    func stream(_ id: OwnerID) -> MessageStream<Handler>? { streams[id] }

    /// Resumes a stream's reading after a delay, unless the task is cancelled first.
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
