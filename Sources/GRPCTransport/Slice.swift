import CGRPC

/// Immutable bytes that any number of streams can send without a copy.
public final class Slice: @unchecked Sendable {
    // Safety: the bytes never change, and C-core counts references atomically.

    /// Owned: one reference, given back in `deinit`.
    let raw: grpc_slice

    /// A slice with a copy of these bytes.
    public init(_ bytes: [UInt8]) {
        raw = bytes.withUnsafeBytes { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
    }

    deinit { grpc_slice_unref(raw) }

    /// How many bytes it has.
    public var byteCount: Int { withUnsafePointer(to: raw) { ballast_slice_length($0) } }
}

extension [Slice] {
    /// Calls `body` with a message made of these slices, in order; the message is freed when `body` returns.
    func withByteBuffer<Result>(_ body: (UnsafeMutablePointer<grpc_byte_buffer>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: grpc_slice.self, capacity: Swift.max(count, 1)) { slices in
            for (index, slice) in enumerated() { slices.initializeElement(at: index, to: slice.raw) }
            // Takes references of its own; `self` keeps the slices alive until then.
            guard let buffer = grpc_raw_byte_buffer_create(slices.baseAddress, count) else {
                preconditionFailure("C-core returns a buffer or ends the process")
            }
            defer { grpc_byte_buffer_destroy(buffer) }
            return body(buffer)
        }
    }
}

/// Copies a received message out of C-core and frees it.
///
/// Nil where it can't be read (a broken compressed message).
func takeBytes(of buffer: UnsafeMutablePointer<grpc_byte_buffer>) -> [UInt8]? {
    defer { grpc_byte_buffer_destroy(buffer) }
    var reader = grpc_byte_buffer_reader()
    guard grpc_byte_buffer_reader_init(&reader, buffer) != 0 else { return nil }
    defer { grpc_byte_buffer_reader_destroy(&reader) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(grpc_byte_buffer_length(buffer))
    var slice = grpc_slice()
    while grpc_byte_buffer_reader_next(&reader, &slice) != 0 {
        // `slice` is ours until it is given back; its bytes may lie inside the variable.
        withUnsafePointer(to: slice) {
            bytes.append(
                contentsOf: UnsafeBufferPointer(start: ballast_slice_bytes($0), count: ballast_slice_length($0)))
        }
        grpc_slice_unref(slice)
    }
    return bytes
}

extension String {
    /// The text of a slice that stays the caller's.
    init(copying slice: grpc_slice) {
        self = withUnsafePointer(to: slice) {
            String(
                decoding: UnsafeBufferPointer(start: ballast_slice_bytes($0), count: ballast_slice_length($0)),
                as: UTF8.self)
        }
    }
}
