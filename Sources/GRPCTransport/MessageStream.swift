import CGRPC

/// A bidirectional stream of messages over one C-core call: reads all the time, and writes one message after the
/// other.
///
///     waiting ──open──> open ──finish or closed by the peer──> finishing ──last operation completed──> gone
///
/// One that waits has no handler, and costs no more than to notice its end.
///
/// Used on one queue's thread only.
final class MessageStream<Handler: ServerStream>: OperationOwner {
    private enum State {
        case open
        /// To be ended with this status as soon as no write is in flight.
        case finishing(GRPCStatus)
        /// The last operation that this side starts has been started.
        case finished
    }

    /// What C-core writes into while operations run.
    struct Outputs {
        /// Owned by this side once the read has completed.
        var message: UnsafeMutablePointer<grpc_byte_buffer>?
        var isCancelled: Int32 = 0
        var initialMetadata = grpc_metadata_array()
        var trailingMetadata = grpc_metadata_array()
        var status = GRPC_STATUS_OK
        var statusDetails = grpc_empty_slice()
    }

    /// Which end of the stream this is.
    enum Role {
        case server
        case client
    }

    let id = OwnerID.next()
    /// The other end's address; empty on a client's side.
    let connection: String
    /// Owned: one reference, given back in `deinit`.
    private let call: OpaquePointer
    private let role: Role
    private var handler: Handler?
    /// Owned; C-core writes into it until the last operation has completed.
    private let outputs: UnsafeMutablePointer<Outputs>
    /// Told once, after the last operation.
    private let gone: (OwnerID) -> Void
    /// How fast the peer may send, and who calls `resumeReading` when it was faster.
    private var reading: ReadingPace?
    /// Runs while nothing is read since the peer was too fast; ends with the stream.
    private var pausing: Task<Void, Never>?

    private var state = State.open
    private var isReading = false
    private var isWriting = false
    private var hasSentMetadata = false
    private var isEnded = false
    /// Whether the next read waits until the handler takes more.
    private var isHeldBack = false
    private var isHalfClosing = false
    private var isHalfClosed = false
    private var outstanding = 0
    private var closingStatus = GRPCStatus(.cancelled, "the peer went away")
    private lazy var received = Tag(.received, of: self)
    private lazy var sent = Tag(.sent, of: self)
    private lazy var ended = Tag(.ended, of: self)
    private lazy var started = Tag(.started, of: self)
    private lazy var finished = Tag(.finished, of: self)

    /// - Parameters:
    ///   - call: taken over; given back when the stream is gone.
    ///   - connection: the other end's address.
    ///   - reading: how fast messages are taken.
    ///   - gone: called on the queue's thread when no operation is outstanding any more.
    init(
        call: OpaquePointer, role: Role, connection: String = "",
        reading: ReadingPace? = nil,
        gone: @escaping (OwnerID) -> Void
    ) {
        self.call = call
        self.connection = connection
        self.reading = reading
        self.role = role
        self.gone = gone
        outputs = .allocate(capacity: 1)
        outputs.initialize(to: Outputs())
        grpc_metadata_array_init(&outputs.pointee.initialMetadata)
        grpc_metadata_array_init(&outputs.pointee.trailingMetadata)
    }

    deinit {
        if let message = outputs.pointee.message { grpc_byte_buffer_destroy(message) }
        grpc_metadata_array_destroy(&outputs.pointee.initialMetadata)
        grpc_metadata_array_destroy(&outputs.pointee.trailingMetadata)
        grpc_slice_unref(outputs.pointee.statusDetails)
        outputs.deinitialize(count: 1)
        outputs.deallocate()
        grpc_call_unref(call)
    }

    /// The handler, while the stream is open.
    var openHandler: Handler? {
        if case .open = state, !isEnded { handler } else { nil }
    }

    /// Starts the operations that run for the stream's whole life.
    func start() {
        var end = grpc_op()
        switch role {
        case .server:
            end.op = GRPC_OP_RECV_CLOSE_ON_SERVER
            end.data.recv_close_on_server.cancelled = address(of: &outputs.pointee.isCancelled)
            begin(&end, ended)
        case .client:
            hasSentMetadata = true
            var send = grpc_op()
            send.op = GRPC_OP_SEND_INITIAL_METADATA
            var receive = grpc_op()
            receive.op = GRPC_OP_RECV_INITIAL_METADATA
            receive.data.recv_initial_metadata.recv_initial_metadata = address(of: &outputs.pointee.initialMetadata)
            begin(&send, receive, started)
            end.op = GRPC_OP_RECV_STATUS_ON_CLIENT
            end.data.recv_status_on_client.trailing_metadata = address(of: &outputs.pointee.trailingMetadata)
            end.data.recv_status_on_client.status = address(of: &outputs.pointee.status)
            end.data.recv_status_on_client.status_details = address(of: &outputs.pointee.statusDetails)
            begin(&end, ended)
        }
    }

    /// Has a handler take messages, unless `isReading` is false, and write them.
    func open(_ handler: Handler, isReading: Bool = true) {
        self.handler = handler
        // It may have ended while it waited.
        guard openHandler != nil else { return handler.closed(closingStatus) }
        if isReading {
            if let wait = reading?.waitForFirst(at: .now) { pausing = reading?.pause(id, wait) } else { read() }
        }
        pump()
    }

    /// Writes the handler's next message, if it has one and no write is in flight.
    func pump() {
        guard let handler = openHandler else { return }
        if isHeldBack, handler.takesMore {
            isHeldBack = false
            read()
        }
        guard !isWriting else { return }
        let message: [Slice]?
        do throws(GRPCStatus) {
            message = try handler.nextMessage()
        } catch {
            return finish(error)
        }
        guard let slices = message else { return closeHalfIfDue() }
        isWriting = true
        slices.withByteBuffer { buffer in
            var send = grpc_op()
            send.op = GRPC_OP_SEND_MESSAGE
            send.data.send_message.send_message = buffer
            beginSending(&send, sent)
        }
    }

    /// Ends the stream: on a server with this status, on a client by cancelling the call.
    func finish(_ status: GRPCStatus) {
        guard case .open = state else { return }
        closingStatus = status
        switch role {
        case .client:
            state = .finished
            grpc_call_cancel(call, nil)
        case .server:
            state = .finishing(status)
            if !isWriting { sendStatus(status) }
        }
    }

    /// Tells the server that this client sends no more, once what the handler has is written.
    func halfClose() {
        isHalfClosing = true
        pump()
    }

    /// Cancels the call at once, whatever is in flight.
    func cancel() { grpc_call_cancel(call, nil) }

    func completed(_ operation: Tag.Kind, isOK: Bool) {
        outstanding -= 1
        switch operation {
        case .received: messageReceived(isOK: isOK)
        case .sent:
            isWriting = false
            if case .finishing(let status) = state { sendStatus(status) } else if isOK { pump() }
        case .ended:
            isEnded = true
            pausing?.cancel()
            if role == .client { closingStatus = receivedStatus() }
            handler?.closed(closingStatus)
        case .accepted, .finished, .started: break
        }
        if outstanding == 0, isEnded { gone(id) }
    }

    private func closeHalfIfDue() {
        guard isHalfClosing, !isHalfClosed else { return }
        isHalfClosed = true
        var close = grpc_op()
        close.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT
        begin(&close, finished)
    }

    private func messageReceived(isOK: Bool) {
        isReading = false
        guard let buffer = outputs.pointee.message else {
            // The peer has closed its half, or the stream is broken and `ended` follows.
            if isOK, role == .server { finish(GRPCStatus(.ok)) }
            return
        }
        outputs.pointee.message = nil
        // Ours from here on.
        defer { grpc_byte_buffer_destroy(buffer) }
        let byteCount = grpc_byte_buffer_length(buffer)
        guard let handler = openHandler else { return }
        do throws(GRPCStatus) {
            let isRead = try withBytes(of: buffer) { bytes throws(GRPCStatus) in try handler.receive(bytes) }
            if !isRead { throw GRPCStatus(.internal, "the message can't be decompressed") }
        } catch {
            return finish(error)
        }
        // A peer that floods is left waiting, and HTTP/2's flow control with it.
        if let wait = reading?.take(byteCount, at: .now) {
            pausing = reading?.pause(id, wait)
        } else if handler.takesMore {
            read()
        } else {
            isHeldBack = true
        }
        pump()
    }

    /// Takes messages again, after a pause.
    func resumeReading() {
        guard pausing.take() != nil, openHandler != nil else { return }
        read()
    }

    private func read() {
        guard !isReading else { return }
        isReading = true
        var receive = grpc_op()
        receive.op = GRPC_OP_RECV_MESSAGE
        receive.data.recv_message.recv_message = address(of: &outputs.pointee.message)
        begin(&receive, received)
    }

    private func sendStatus(_ status: GRPCStatus) {
        state = .finished
        // Borrowed by C-core until the batch has been started: it copies the text.
        var details = grpc_slice_from_copied_string(status.message)
        defer { grpc_slice_unref(details) }
        withUnsafeMutablePointer(to: &details) { details in
            var send = grpc_op()
            send.op = GRPC_OP_SEND_STATUS_FROM_SERVER
            send.data.send_status_from_server.status = grpc_status_code(numericCast(status.code.rawValue))
            send.data.send_status_from_server.status_details = details
            beginSending(&send, finished)
        }
    }

    /// A server's metadata goes with whatever it sends first.
    private func beginSending(_ operation: inout grpc_op, _ tag: Tag) {
        guard !hasSentMetadata else { return begin(&operation, tag) }
        hasSentMetadata = true
        var metadata = grpc_op()
        metadata.op = GRPC_OP_SEND_INITIAL_METADATA
        begin(&metadata, operation, tag)
    }

    private func begin(_ operation: inout grpc_op, _ tag: Tag) { begin(&operation, count: 1, tag) }

    private func begin(_ first: inout grpc_op, _ second: grpc_op, _ tag: Tag) {
        var operations = [first, second]
        begin(&operations, count: 2, tag)
    }

    /// C-core reads the operations before this returns.
    private func begin(_ operations: UnsafePointer<grpc_op>, count: Int, _ tag: Tag) {
        outstanding += 1
        let error = grpc_call_start_batch(call, operations, count, tag.pointer, nil)
        precondition(error == GRPC_CALL_OK, "C-core refuses a batch: \(error)")
    }

    private func receivedStatus() -> GRPCStatus {
        GRPCStatus(
            GRPCStatus.Code(rawValue: numericCast(outputs.pointee.status.rawValue)) ?? .unknown,
            String(copying: outputs.pointee.statusDetails)
        )
    }

    /// Where C-core writes one of the outputs, which stay where they are as long as this stream lives.
    private func address<Value>(of output: UnsafeMutablePointer<Value>) -> UnsafeMutablePointer<Value> { output }
}
