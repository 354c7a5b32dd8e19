import CGRPC

/// Immutable bytes that any number of streams can send without copying.
public final class Slice: @unchecked Sendable {
    // Safety: the bytes never change, and C-core counts references atomically.

    /// Owned: one reference, released in `deinit`.
    let raw: grpc_slice

    /// Creates a slice with a copy of these bytes.
    public init(_ bytes: [UInt8]) {
        raw = bytes.withUnsafeBytes { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
    }

    /// Creates a slice with a copy of these parts, concatenated.
    public init(parts: [[UInt8]]) {
        // Never inlined: the bytes of an inlined slice would be in the local copy below.
        raw = grpc_slice_malloc_large(parts.reduce(0) { $0 + $1.count })
        withUnsafePointer(to: raw) { slice in
            // No other code has seen the slice yet, so its bytes may be written.
            guard var bytes = UnsafeMutablePointer(mutating: ballast_slice_bytes(slice)) else { return }
            for part in parts {
                bytes.update(from: part, count: part.count)
                bytes += part.count
            }
        }
    }

    deinit { grpc_slice_unref(raw) }

    /// The number of bytes.
    public var byteCount: Int { withUnsafePointer(to: raw) { ballast_slice_length($0) } }
}

extension [Slice] {
    /// Calls `body` with a message made of these slices, in order; the message is freed when `body` returns.
    func withByteBuffer<Result>(_ body: (UnsafeMutablePointer<grpc_byte_buffer>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: grpc_slice.self, capacity: Swift.max(count, 1)) { slices in
            for (index, slice) in enumerated() { slices.initializeElement(at: index, to: slice.raw) }
            // Takes its own references; `self` keeps the slices alive until then.
            guard let buffer = grpc_raw_byte_buffer_create(slices.baseAddress, count) else {
                preconditionFailure("C-core returns a buffer or ends the process")
            }
            defer { grpc_byte_buffer_destroy(buffer) }
            return body(buffer)
        }
    }
}

/// Calls `body` with the bytes of a received message, which are valid until it returns; the caller still owns the
/// message.
///
/// - Returns: false if they can't be read (a broken compressed message).
func withBytes<Failure: Error>(
    of buffer: UnsafeMutablePointer<grpc_byte_buffer>, _ body: (RawSpan) throws(Failure) -> Void
) throws(Failure) -> Bool {
    var reader = grpc_byte_buffer_reader()
    guard grpc_byte_buffer_reader_init(&reader, buffer) != 0 else { return false }
    defer { grpc_byte_buffer_reader_destroy(&reader) }
    let byteCount = grpc_byte_buffer_length(buffer)
    // Borrowed from the reader. Most requests are in one slice.
    var first: UnsafeMutablePointer<grpc_slice>?
    if grpc_byte_buffer_reader_peek(&reader, &first) != 0, let first, ballast_slice_length(first) == byteCount {
        try body(UnsafeRawBufferPointer(start: ballast_slice_bytes(first), count: byteCount).bytes)
        return true
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    while let slice = first {
        bytes.append(
            contentsOf: UnsafeBufferPointer(start: ballast_slice_bytes(slice), count: ballast_slice_length(slice)))
        if grpc_byte_buffer_reader_peek(&reader, &first) == 0 { break }
    }
    try body(bytes.span.bytes)
    return true
}

extension Array<UInt8> {
    /// Copies bytes that are only valid for now.
    public init(copying bytes: RawSpan) {
        self = bytes.withUnsafeBytes { [UInt8]($0) }
    }
}

extension String {
    /// Copies the text of a slice, which the caller still owns.
    init(copying slice: grpc_slice) {
        self = withUnsafePointer(to: slice) {
            String(
                decoding: UnsafeBufferPointer(start: ballast_slice_bytes($0), count: ballast_slice_length($0)),
                as: UTF8.self)
        }
    }
}
