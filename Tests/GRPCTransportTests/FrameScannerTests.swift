import CConnectionGuard
import Testing

/// The reader of HTTP/2 frames that stands before libgrpc.
@Suite struct FrameScannerTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let length = [UInt8(payload.count >> 16 & 255), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255)]
        let id = (0..<4).map { UInt8(stream >> (24 - 8 * UInt32($0)) & 255) }
        return length + [type, flags] + id + payload
    }

    private func headers(_ stream: UInt32, _ count: Int = 20) -> [UInt8] {
        frame(1, flags: 4, stream: stream, [UInt8](repeating: 0, count: count))
    }

    /// A DATA frame with a part of a gRPC message of so many bytes.
    private func message(_ stream: UInt32, of length: Int, sending count: Int, flags: UInt8 = 0) -> [UInt8] {
        let prefix = [0] + (0..<4).map { UInt8(length >> (24 - 8 * $0) & 255) }
        return frame(0, flags: flags, stream: stream, prefix + [UInt8](repeating: 7, count: count))
    }

    private var limits: ballast_guard_limits {
        var limits = ballast_guard_limits()
        (limits.streams_per_second, limits.streams_burst) = (1, 10)
        (limits.resets_per_second, limits.pings_per_second, limits.settings_per_second) = (2, 2, 2)
        (limits.priorities_per_second, limits.frames_per_second) = (2, 100)
        (limits.header_block_bytes, limits.continuations, limits.header_bytes_per_second) = (100, 2, 10_000)
        limits.partial_bytes = 1_000
        return limits
    }

    /// What becomes of bytes, read in pieces of that size: the limit that they break, and the bytes of messages in part.
    private func scan(
        _ bytes: [UInt8], pieces: Int, _ limits: ballast_guard_limits
    ) -> (reason: ballast_guard_reason?, partial: Int) {
        var limits = limits
        var state = scanner()
        // The time stands still: a busy machine would let more through.
        let now = milliseconds()
        scanner_start(&state, &limits, now)
        var rest = (Self.preface + bytes)[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
            let reason = scanner_read(&state, &limits, piece, piece.count, now)
            if reason >= 0 { return (ballast_guard_reason(UInt32(reason)), Int(state.partial_bytes)) }
        }
        return (nil, Int(state.partial_bytes))
    }

    @Test(arguments: [1, 2, 3, 5, 8, 9, 10, 13, 64, 1 << 20])
    func `the same is seen however the bytes are cut`(_ pieces: Int) {
        func expect(_ reason: ballast_guard_reason?, _ frames: [[UInt8]], partial: Int? = nil, line: Int = #line) {
            let found = scan(frames.flatMap(\.self), pieces: pieces, limits)
            #expect(found.reason == reason, "line \(line)")
            if let partial { #expect(found.partial == partial, "line \(line)") }
        }
        let streams = (0..<11).map { headers(UInt32(2 * $0 + 1)) }
        expect(nil, Array(streams.prefix(10)))
        expect(BALLAST_GUARD_NEW_STREAMS, streams)
        // Trailers open no stream.
        expect(nil, (0..<50).map { _ in headers(1) })
        expect(BALLAST_GUARD_STREAM_ID, [headers(1), headers(2)])
        expect(BALLAST_GUARD_STREAM_ID, [headers(0x7fff_fffe)])
        expect(nil, (0..<8).map { _ in frame(6, [UInt8](repeating: 0, count: 8)) })
        expect(BALLAST_GUARD_PINGS, (0..<9).map { _ in frame(6, [UInt8](repeating: 0, count: 8)) })
        expect(BALLAST_GUARD_SETTINGS, (0..<9).map { _ in frame(4) })
        expect(BALLAST_GUARD_PRIORITIES, (0..<9).map { _ in frame(2, stream: 1, [0, 0, 0, 0, 1]) })
        expect(BALLAST_GUARD_RESETS, [headers(1)] + (0..<9).map { _ in frame(3, stream: 1, [0, 0, 0, 8]) })
        expect(BALLAST_GUARD_FRAMES, (0..<401).map { _ in frame(8, stream: 1, [0, 0, 0, 1]) })
        expect(BALLAST_GUARD_HEADER_BLOCK, [headers(1, 101)])
        expect(BALLAST_GUARD_HEADER_BLOCK, [headers(1, 60), frame(9, stream: 1, [UInt8](repeating: 0, count: 41))])
        expect(BALLAST_GUARD_HEADER_BLOCK, [headers(1)] + (0..<3).map { _ in frame(9, stream: 1) })
        expect(nil, [headers(1), headers(3, 100), headers(5, 100)])
    }

    @Test(arguments: [1, 2, 7, 9, 100, 1 << 20])
    func `what is kept of messages in part is counted, and nothing else`(_ pieces: Int) {
        func partial(_ frames: [[UInt8]]) -> (ballast_guard_reason?, Int) {
            scan(frames.flatMap(\.self), pieces: pieces, limits)
        }
        #expect(partial([message(1, of: 500, sending: 500)]) == (nil, 0))
        #expect(partial([message(1, of: 500, sending: 200)]) == (nil, 200))
        // The rest comes; another begins in the same frame.
        let rest = frame(0, stream: 1, [UInt8](repeating: 7, count: 300) + [0, 0, 0, 1, 0, 9, 9])
        #expect(partial([message(1, of: 500, sending: 200), rest]) == (nil, 2))
        #expect(partial([message(1, of: 500, sending: 200), message(3, of: 500, sending: 300)]) == (nil, 500))
        // A stream that ends takes its part with it.
        #expect(partial([message(1, of: 500, sending: 200), frame(3, stream: 1, [0, 0, 0, 8])]) == (nil, 0))
        #expect(partial([message(1, of: 500, sending: 200), frame(0, flags: 1, stream: 1)]) == (nil, 0))
        #expect(partial([message(1, of: 0, sending: 0), message(1, of: 3, sending: 3)]) == (nil, 0))
        #expect(partial([message(1, of: 9_000, sending: 1_001)]).0 == BALLAST_GUARD_PARTIAL_MESSAGES)
        let many = (0..<33).map { message(UInt32(2 * $0 + 1), of: 9, sending: 1) }
        #expect(partial(Array(many.prefix(32))) == (nil, 32))
        #expect(partial(many).0 == BALLAST_GUARD_PARTIAL_MESSAGES)
        #expect(partial([frame(0, flags: 8, stream: 1, [0, 0])]).0 == BALLAST_GUARD_PARTIAL_MESSAGES)
    }

    @Test func `any bytes are read to their end, and nothing is counted below zero`() {
        var limits = limits
        (limits.frames_per_second, limits.header_block_bytes) = (0, 0)
        for seed in 0..<300 {
            var random = SystemRandomNumberGenerator()
            let bytes = (0..<4_000).map { _ in UInt8.random(in: 0...255, using: &random) & (seed % 2 == 0 ? 255 : 15) }
            #expect(scan(bytes, pieces: seed % 50 + 1, limits).partial < 100_000)
        }
    }
}
