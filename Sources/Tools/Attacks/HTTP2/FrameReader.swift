import NIOCore

struct ReceivedFrame {
    /// Nil for frame types that are ignored.
    var kind: HTTP2Frame.Kind?
    var flags: UInt8
    var stream: UInt32
    var payload: ByteBuffer
}

/// Splits received bytes into frames.
struct FrameReader {
    private var buffer = ByteBuffer()

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        buffer.writeBuffer(&bytes)
    }

    mutating func next() -> ReceivedFrame? {
        guard let head: UInt32 = buffer.getInteger(at: buffer.readerIndex) else { return nil }
        let length = Int(head >> 8)
        guard buffer.readableBytes >= HTTP2Frame.headLength + length else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let flags: UInt8 = buffer.readInteger(), let stream: UInt32 = buffer.readInteger(),
            let payload = buffer.readSlice(length: length)
        else { return nil }
        buffer.discardReadBytes()
        return ReceivedFrame(
            kind: HTTP2Frame.Kind(rawValue: UInt8(truncatingIfNeeded: head)), flags: flags,
            stream: stream & 0x7fff_ffff, payload: payload)
    }
}
