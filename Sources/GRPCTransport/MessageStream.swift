import CGRPC

/// A bidirectional stream of messages over one C-core call: reads all the time, and sends one message after the other.
///
///     waiting ──open──> open ──finish or closed by the peer──> finishing ──last operation completed──> gone
///
/// A stream that waits has no handler, and costs no more than to notice its end.
///
/// Used on one queue's thread only.
final class MessageStream<Handler: StreamHandler>: OperationOwner {
    private enum State {
        case open
        /// To be ended with this status as soon as no message is in flight.
        case finishing(GRPCStatus)
        /// The last operation that this side starts has been started.
        case finished
    }

    private enum Reading {
        /// No message is read: the stream waits to be opened, or its end has been read.
        case off
        case inFlight
        /// The peer was too fast; the task calls `resumeReading`.
        case paused(Task<Void, Never>?)
        /// The handler can't receive a message yet.
        case heldBack
    }

    private enum Sending {
        /// A server's initial metadata goes with its first message or status.
        case metadataDue
        case idle
        case inFlight
    }

    /// Whether a client has closed its half of the stream.
    private enum HalfClose {
        case open
        /// To be closed once the handler has no message left.
        case due
        case closed
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
    private let outputs: UnsafeMutablePointer<StreamOutputs>
    /// The address of `outputs.pointee.message`, which every read needs.
    private let message: UnsafeMutablePointer<UnsafeMutablePointer<grpc_byte_buffer>?>
    /// Called once, after the last operation.
    private let gone: (OwnerID) -> Void
    /// How fast the peer may send; nil for no limit.
    private var pace: ReadingPace?

    private var state = State.open
    private var reading = Reading.off
    private var sending = Sending.metadataDue
    private var half = HalfClose.open
    /// Whether the call is over: its status is known, or the peer has gone.
    private var isEnded = false
    /// The number of operations that have not completed.
    private var outstanding = 0
    private var closingStatus = GRPCStatus(.cancelled, "the peer went away")
    private lazy var received = Tag(.received, of: self)
    private lazy var sent = Tag(.sent, of: self)
    private lazy var ended = Tag(.ended, of: self)
    private lazy var started = Tag(.started, of: self)
    private lazy var finished = Tag(.finished, of: self)

    /// - Parameters:
    ///   - call: owned by the stream from here on.
    ///   - connection: the other end's address.
    ///   - pace: how fast the peer may send; nil for no limit.
    ///   - gone: called on the queue's thread when no operation is outstanding any more.
    init(
        call: OpaquePointer, role: Role, connection: String = "",
        pace: ReadingPace? = nil,
        gone: @escaping (OwnerID) -> Void
    ) {
        self.call = call
        self.connection = connection
        self.pace = pace
        self.role = role
        self.gone = gone
        outputs = .allocate(capacity: 1)
        outputs.initialize(to: StreamOutputs())
        message = outputs.address(of: \.message)
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
            end.data.recv_close_on_server.cancelled = outputs.address(of: \.isCancelled)
            begin(&end, ended)
        case .client:
            sending = .idle
            var send = grpc_op()
            send.op = GRPC_OP_SEND_INITIAL_METADATA
            var receive = grpc_op()
            receive.op = GRPC_OP_RECV_INITIAL_METADATA
            receive.data.recv_initial_metadata.recv_initial_metadata = outputs.address(of: \.initialMetadata)
            begin(&send, receive, started)
            end.op = GRPC_OP_RECV_STATUS_ON_CLIENT
            end.data.recv_status_on_client.trailing_metadata = outputs.address(of: \.trailingMetadata)
            end.data.recv_status_on_client.status = outputs.address(of: \.status)
            end.data.recv_status_on_client.status_details = outputs.address(of: \.statusDetails)
            begin(&end, ended)
        }
    }

    /// Opens the stream: the handler receives messages, unless `isReading` is false, and sends its own.
    func open(_ handler: Handler, isReading: Bool = true) {
        self.handler = handler
        // The stream may have ended while it waited.
        guard openHandler != nil else { return handler.closed(closingStatus) }
        if isReading {
            if let wait = pace?.waitForFirst(at: .now) { pause(wait) } else { read() }
        }
        pump()
    }

    /// Sends the handler's next message, if it has one and none is in flight.
    func pump() {
        guard let handler = openHandler else { return }
        if case .heldBack = reading, handler.canReceive { read() }
        if case .inFlight = sending { return }
        let message: [Slice]?
        do throws(GRPCStatus) {
            message = try handler.nextMessage()
        } catch {
            return finish(error)
        }
        guard let slices = message else { return closeHalfIfDue() }
        slices.withByteBuffer { buffer in
            var send = grpc_op()
            send.op = GRPC_OP_SEND_MESSAGE
            send.data.send_message.send_message = buffer
            beginSending(&send, sent)
        }
        sending = .inFlight
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
            if case .inFlight = sending { return }
            sendStatus(status)
        }
    }

    /// Closes this client's half of the stream once the handler has no message left.
    func halfClose() {
        if case .open = half { half = .due }
        pump()
    }

    /// Cancels the call at once, whatever is in flight.
    func cancel() { grpc_call_cancel(call, nil) }

    func completed(_ operation: Tag.Kind, isOK: Bool) {
        outstanding -= 1
        switch operation {
        case .received: messageReceived(isOK: isOK)
        case .sent:
            sending = .idle
            if case .finishing(let status) = state { sendStatus(status) } else if isOK { pump() }
        case .ended:
            isEnded = true
            if case .paused(let task) = reading { task?.cancel() }
            if role == .client { closingStatus = receivedStatus() }
            handler?.closed(closingStatus)
        case .accepted, .finished, .started: break
        }
        if outstanding == 0, isEnded { gone(id) }
    }

    private func closeHalfIfDue() {
        guard case .due = half else { return }
        half = .closed
        var close = grpc_op()
        close.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT
        begin(&close, finished)
    }

    private func messageReceived(isOK: Bool) {
        reading = .off
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
        // While nothing is read, HTTP/2's flow control stops a peer that floods.
        if let wait = pace?.consume(byteCount, at: .now) {
            pause(wait)
        } else if handler.canReceive {
            read()
        } else {
            reading = .heldBack
        }
        pump()
    }

    private func pause(_ wait: Duration) { reading = .paused(pace?.pause(id, wait)) }

    /// Reads messages again after a pause.
    func resumeReading() {
        guard case .paused = reading else { return }
        reading = .off
        if openHandler != nil { read() }
    }

    private func read() {
        reading = .inFlight
        var receive = grpc_op()
        receive.op = GRPC_OP_RECV_MESSAGE
        receive.data.recv_message.recv_message = message
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
        guard case .metadataDue = sending else { return begin(&operation, tag) }
        sending = .idle
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
}

/// What C-core writes into while operations run.
private struct StreamOutputs {
    /// Owned by this side once the read has completed.
    var message: UnsafeMutablePointer<grpc_byte_buffer>?
    var isCancelled: Int32 = 0
    var initialMetadata = grpc_metadata_array()
    var trailingMetadata = grpc_metadata_array()
    var status = GRPC_STATUS_OK
    var statusDetails = grpc_empty_slice()
}
