import EnvoyAPI
import NIOCore

/// Messages that are short on the wire and long after decompression.
struct CompressedMessages: Attack {
    let name = "gzip-bomb"
    let summary = "messages of 4 MB in gzip that unpack to 660 MB each, on 4 streams"
    let bar = "RSS < 150 MB, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let duration = stage.scale.duration(10, short: 4)
            let target = try RawTarget(victim)
            let sent = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let end = ContinuousClock.now + duration
                let message = Self.zeros(compressedBytes: 4_000_000)
                while ContinuousClock.now < end, !Task.isCancelled {
                    try? await GRPCSender.open(to: target) { client in
                        for _ in 0..<4 {
                            let stream = try await client.openStream(
                                Method.deltaAggregatedResources.path, fields: [("grpc-encoding", "gzip")])
                            try await client.send(message, on: stream, isCompressed: true)
                            sent.add(1)
                        }
                        try await Task.sleep(for: .seconds(2))
                    }
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
            return exposure.figures(Exposure.Bars(memory: 150, newClient: 2)) + [
                Figure("messages", Double(sent.value), "")
            ]
        }
    }

    /// An unfinished gzip stream of zeros (RFC 1952): 258 zeros for every 13 bits.
    static func zeros(compressedBytes: Int) -> [UInt8] {
        // Deflate (RFC 1951): a block of fixed codes, the byte 0, then eight times "258 bytes from 1 byte before".
        // These fill 13 bytes, which repeat.
        var bits: [UInt8] = [0, 1, 0] + [0, 0, 1, 1, 0, 0, 0, 0]
        let run: [UInt8] = [1, 1, 0, 0, 0, 1, 0, 1] + [0, 0, 0, 0, 0]
        for _ in 0..<9 { bits += run }
        let bytes = stride(from: 0, to: 8 * 15, by: 8).map { first in
            (0..<8).reduce(UInt8(0)) { $0 | bits[first + $1] << UInt8($1) }
        }
        var message: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255] + bytes.prefix(2)
        message.reserveCapacity(compressedBytes + 13)
        while message.count < compressedBytes { message += bytes[2...] }
        return message
    }
}
