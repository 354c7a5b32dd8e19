import NIOCore

/// HTTP/2 frames as bytes (RFC 9113, 4.1), without any checks.
enum HTTP2Frame {
    /// The frame types that are sent or read.
    enum Kind: UInt8, Sendable {
        case data = 0
        case headers = 1
        case priority = 2
        case reset = 3
        case settings = 4
        case ping = 6
        case goAway = 7
        case windowUpdate = 8
        case continuation = 9
    }

    /// Frame flags; the same number means different flags on different types.
    enum Flag {
        static let acknowledgement: UInt8 = 1
        static let endStream: UInt8 = 1
        static let endHeaders: UInt8 = 4
    }

    /// The client's connection preface.
    static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    static let headLength = 9
    /// The longest payload that every receiver must accept.
    static let longestPayload = 16_384
    static let noError: UInt32 = 0
    static let cancel: UInt32 = 8
}

extension ByteBuffer {
    /// Writes a frame's header of nine bytes.
    mutating func writeFrameHead(
        _ kind: HTTP2Frame.Kind, flags: UInt8 = 0, stream: UInt32 = 0, length: Int
    ) {
        let length = UInt32(length)
        writeInteger(length << 8 | UInt32(kind.rawValue))
        writeInteger(flags)
        writeInteger(stream)
    }

    mutating func writeFrame(
        _ kind: HTTP2Frame.Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []
    ) {
        writeFrameHead(kind, flags: flags, stream: stream, length: payload.count)
        writeBytes(payload)
    }

    /// Writes a RST_STREAM frame.
    mutating func writeReset(of stream: UInt32, code: UInt32 = HTTP2Frame.cancel) {
        writeFrameHead(.reset, stream: stream, length: 4)
        writeInteger(code)
    }

    /// Writes a WINDOW_UPDATE frame; stream 0 is the connection.
    mutating func writeWindowUpdate(of stream: UInt32, by increment: UInt32) {
        writeFrameHead(.windowUpdate, stream: stream, length: 4)
        writeInteger(increment)
    }

    /// Writes a SETTINGS frame.
    mutating func writeSettings(_ settings: [(UInt16, UInt32)]) {
        writeFrameHead(.settings, length: 6 * settings.count)
        for (number, value) in settings {
            writeInteger(number)
            writeInteger(value)
        }
    }
}
