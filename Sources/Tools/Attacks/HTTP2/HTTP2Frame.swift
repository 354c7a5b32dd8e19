import NIOCore

/// HTTP/2's frames as bytes (RFC 9113, 4.1); nothing is checked.
enum HTTP2Frame {
    /// The kinds that are sent or read.
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

    /// Their flags; the numbers mean other things on other kinds.
    enum Flag {
        static let acknowledgement: UInt8 = 1
        static let endStream: UInt8 = 1
        static let endHeaders: UInt8 = 4
    }

    /// What a client says first.
    static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    static let headLength = 9
    /// The longest payload that every receiver has to take.
    static let longestPayload = 16_384
    static let noError: UInt32 = 0
    static let cancel: UInt32 = 8
}

extension ByteBuffer {
    /// A frame's first nine bytes.
    mutating func writeFrameHead(
        _ kind: HTTP2Frame.Kind, flags: UInt8 = 0, stream: UInt32 = 0, length: Int
    ) {
        let length = UInt32(length)
        writeInteger(length << 8 | UInt32(kind.rawValue))
        writeInteger(flags)
        writeInteger(stream)
    }

    /// A whole frame.
    mutating func writeFrame(
        _ kind: HTTP2Frame.Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []
    ) {
        writeFrameHead(kind, flags: flags, stream: stream, length: payload.count)
        writeBytes(payload)
    }

    /// RST_STREAM.
    mutating func writeReset(of stream: UInt32, code: UInt32 = HTTP2Frame.cancel) {
        writeFrameHead(.reset, stream: stream, length: 4)
        writeInteger(code)
    }

    /// WINDOW_UPDATE; stream 0 means the connection.
    mutating func writeWindowUpdate(of stream: UInt32, by increment: UInt32) {
        writeFrameHead(.windowUpdate, stream: stream, length: 4)
        writeInteger(increment)
    }

    /// SETTINGS, by their numbers.
    mutating func writeSettings(_ settings: [(UInt16, UInt32)]) {
        writeFrameHead(.settings, length: 6 * settings.count)
        for (number, value) in settings {
            writeInteger(number)
            writeInteger(value)
        }
    }
}
