import NIOCore
import TestBench

/// A gRPC client on a raw connection that obeys HTTP/2's flow control and can send any message.
final class GRPCSender: Sendable {
    private struct State {
        /// The flow-control windows of the connection and of each stream.
        var connectionWindow = 65_535
        var initialWindow = 65_535
        var windows: [UInt32: Int] = [:]
        /// Bytes received on each stream and not read yet.
        var received: [UInt32: ByteBuffer] = [:]
        var ended: Set<UInt32> = []
        var lastStream: UInt32 = 0
        var isOver = false
    }

    private let connection: RawConnection
    private let isTLS: Bool
    private let state = Shared(State())

    private init(_ connection: RawConnection, isTLS: Bool) {
        self.connection = connection
        self.isTLS = isTLS
    }

    /// Opens a connection while `body` runs.
    static func open<Result: Sendable>(
        to target: RawTarget, _ body: @escaping @Sendable (GRPCSender) async throws -> Result
    ) async throws -> Result {
        try await RawConnection.open(to: target) { connection in
            let sender = GRPCSender(connection, isTLS: target.tls != nil)
            var hello = ByteBuffer(string: HTTP2Frame.preface)
            // INITIAL_WINDOW_SIZE: with large windows, this client never has to send WINDOW_UPDATE frames.
            hello.writeSettings([(4, 0x7fff_ffff)])
            hello.writeWindowUpdate(of: 0, by: 0x7000_0000)
            try await connection.write(hello)
            let reading = Task { await sender.read() }
            defer { reading.cancel() }
            return try await body(sender)
        }
    }

    /// Opens a stream.
    ///
    /// - Parameter fields: additional header fields.
    func openStream(_ path: String, fields: [(name: String, value: String)] = []) async throws -> UInt32 {
        state.change { state in
            state.lastStream += state.lastStream == 0 ? 1 : 2
            state.windows[state.lastStream] = state.initialWindow
        }
        let stream = state.value.lastStream
        var block = HeaderBlock(callOf: path, isTLS: isTLS)
        for field in fields { block.append(field.name, field.value) }
        var bytes = ByteBuffer()
        bytes.writeFrame(.headers, flags: HTTP2Frame.Flag.endHeaders, stream: stream, block.bytes)
        try await connection.write(bytes)
        return stream
    }

    /// Sends a message as fast as the flow control allows.
    ///
    /// - Parameter isCompressed: the value of gRPC's compressed flag.
    /// - Throws: an error if the server has ended the stream or the connection.
    func send(_ message: [UInt8], on stream: UInt32, isCompressed: Bool = false) async throws {
        var rest = ByteBuffer()
        rest.reserveCapacity(message.count + 5)
        rest.writeInteger(UInt8(isCompressed ? 1 : 0))
        rest.writeInteger(UInt32(message.count))
        rest.writeBytes(message)
        while rest.readableBytes > 0 {
            let share = Shared(0)
            state.change { state in
                let window = min(state.connectionWindow, state.windows[stream] ?? 0)
                let count = min(window, rest.readableBytes, HTTP2Frame.longestPayload)
                guard count > 0 else { return }
                state.connectionWindow -= count
                state.windows[stream, default: 0] -= count
                share.add(count)
            }
            let now = state.value
            if now.isOver || now.ended.contains(stream) { throw BenchError("the server ended stream \(stream)") }
            guard let part = rest.readSlice(length: share.value), part.readableBytes > 0 else {
                try await Task.sleep(for: .milliseconds(1))
                continue
            }
            var frame = ByteBuffer()
            frame.writeFrameHead(.data, stream: stream, length: part.readableBytes)
            frame.writeImmutableBuffer(part)
            try await connection.write(frame)
        }
    }

    /// The next message of a stream.
    ///
    /// - Throws: an error if none arrives.
    func message(on stream: UInt32, within limit: Duration = .seconds(10)) async throws -> [UInt8] {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            let message = Shared<[UInt8]?>(nil)
            state.change { state in
                guard var buffer = state.received[stream],
                    let length: UInt32 = buffer.getInteger(at: buffer.readerIndex + 1)
                else { return }
                guard buffer.readableBytes >= 5 + Int(length) else { return }
                buffer.moveReaderIndex(forwardBy: 5)
                let bytes = buffer.readBytes(length: Int(length))
                message.change { $0 = bytes }
                state.received[stream] = buffer
            }
            if let message = message.value { return message }
            let now = state.value
            if now.isOver || now.ended.contains(stream) { break }
            try await Task.sleep(for: .milliseconds(2))
        }
        throw BenchError("no message on stream \(stream)")
    }

    /// Whether the server has ended the stream or the connection.
    func isEnded(_ stream: UInt32) -> Bool {
        let now = state.value
        return now.isOver || now.ended.contains(stream)
    }

    private func read() async {
        var frames = FrameReader()
        do {
            for try await bytes in connection.inbound {
                frames.append(bytes)
                while let frame = frames.next() { try await take(frame) }
            }
        } catch {
            // Same as the normal end of the connection.
        }
        state.change { $0.isOver = true }
    }

    private func take(_ frame: ReceivedFrame) async throws {
        var payload = frame.payload
        switch frame.kind {
        case .data:
            state.change { $0.received[frame.stream, default: ByteBuffer()].writeImmutableBuffer(payload) }
            if frame.flags & HTTP2Frame.Flag.endStream != 0 { end(frame.stream) }
        case .headers:
            if frame.flags & HTTP2Frame.Flag.endStream != 0 { end(frame.stream) }
        case .reset: end(frame.stream)
        case .goAway: state.change { $0.isOver = true }
        case .settings:
            guard frame.flags & HTTP2Frame.Flag.acknowledgement == 0 else { return }
            while let number: UInt16 = payload.readInteger(), let value: UInt32 = payload.readInteger() {
                guard number == 4 else { continue }
                state.change { state in
                    let difference = Int(value) - state.initialWindow
                    state.initialWindow = Int(value)
                    state.windows = state.windows.mapValues { $0 + difference }
                }
            }
            var answer = ByteBuffer()
            answer.writeFrame(.settings, flags: HTTP2Frame.Flag.acknowledgement)
            try await connection.write(answer)
        case .ping:
            guard frame.flags & HTTP2Frame.Flag.acknowledgement == 0 else { return }
            var answer = ByteBuffer()
            answer.writeFrame(.ping, flags: HTTP2Frame.Flag.acknowledgement, payload.readBytes(length: 8) ?? [])
            try await connection.write(answer)
        case .windowUpdate:
            let increment = Int(payload.readInteger(as: UInt32.self) ?? 0)
            state.change { state in
                if frame.stream == 0 {
                    state.connectionWindow += increment
                } else {
                    state.windows[frame.stream, default: 0] += increment
                }
            }
        case .priority, .continuation, nil: break
        }
    }

    private func end(_ stream: UInt32) { state.change { _ = $0.ended.insert(stream) } }
}
