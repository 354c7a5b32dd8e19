import Foundation
import Synchronization

/// A bounded buffer for parts of a response, between the connection and the reader.
///
/// Parts are copied into it: an uncopied part would keep the whole read buffer of the connection alive, which is many
/// times its size.
final class PartBuffer: Sendable {
    private static let maxBytes = 4 << 20

    private struct State {
        var parts: [Data] = []
        var byteCount = 0
        var end: Result<Void, any Error>?
        var reader: CheckedContinuation<Data?, any Error>?
        var writer: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Adds a part; returns once the buffer is within its limit.
    func put(_ part: Data) async {
        await withCheckedContinuation { writer in
            let (reader, isRoom) = state.withLock { state in
                if let reader = state.reader.take() { return (Optional(reader), true) }
                state.parts.append(part)
                state.byteCount += part.count
                guard state.byteCount > Self.maxBytes, state.end == nil else { return (nil, true) }
                state.writer = writer
                return (nil, false)
            }
            reader?.resume(returning: part)
            if isRoom { writer.resume() }
        }
    }

    /// Ends the stream, with or without an error.
    ///
    /// Only the first call counts.
    func finish(_ end: Result<Void, any Error>) {
        let (reader, writer) = state.withLock { state in
            state.end = state.end ?? end
            return (state.reader.take(), state.writer.take())
        }
        writer?.resume()
        switch end {
        case .success: reader?.resume(returning: nil)
        case .failure(let error): reader?.resume(throwing: error)
        }
    }

    /// The next part; nil at the end.
    ///
    /// Cancelling the task ends the stream.
    func next() async throws -> Data? {
        try await withTaskCancellationHandler {
            try await take()
        } onCancel: {
            finish(.success(()))
        }
    }

    private func take() async throws -> Data? {
        try await withCheckedThrowingContinuation { reader in
            let (part, end, writer) = state.withLock { state in
                guard state.parts.isEmpty else {
                    let part = state.parts.removeFirst()
                    state.byteCount -= part.count
                    let writer = state.byteCount <= Self.maxBytes ? state.writer.take() : nil
                    return (Optional(part), Result<Void, any Error>?.none, writer)
                }
                if state.end == nil { state.reader = reader }
                return (nil, state.end, nil)
            }
            writer?.resume()
            if let part { return reader.resume(returning: part) }
            switch end {
            case .success: reader.resume(returning: nil)
            case .failure(let error): reader.resume(throwing: error)
            case nil: break
            }
        }
    }
}
