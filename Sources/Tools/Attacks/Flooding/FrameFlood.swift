import EnvoyAPI
import NIOCore
import XDS

/// Floods the server with frames of one kind that cost the sender nothing.
struct FrameFlood: Attack {
    enum Kind: String, CaseIterable {
        case ping = "ping-flood"
        case settings = "settings-flood"
        case priority = "priority-flood"
        case windowUpdate = "window-update-flood"
        case emptyData = "empty-data-flood"
    }

    var kind: Kind

    var name: String { kind.rawValue }
    var summary: String {
        switch kind {
        case .ping: "PING frames whose answers are never read"
        case .settings: "SETTINGS frames that change the streams' window each time"
        case .priority: "PRIORITY frames for streams that don't exist"
        case .windowUpdate: "WINDOW_UPDATE frames of one byte each"
        case .emptyData: "DATA frames without data, on one open stream"
        }
    }
    let bar = "RSS < 150 MB, new clients < 2 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let duration = stage.scale.duration(10, short: 2)
            let target = try RawTarget(victim)
            let frames = Shared(0)
            let connections = Shared(0)
            let isReading = kind != .ping
            let exposure = try await Exposure.measure(victim) {
                let attack = PersistentAttack(target: target, connections: 2, isReading: isReading)
                connections.add(await attack.run(for: duration) { try await flood($0, frames) })
            }
            return exposure.figures(Exposure.Bars(memory: 150, newClient: 2)) + [
                Figure("frames", Double(frames.value), ""), Figure("connections", Double(connections.value), ""),
            ]
        }
    }

    private func flood(_ connection: RawConnection, _ frames: Shared<Int>) async throws {
        if kind == .emptyData {
            var call = ByteBuffer()
            call.writeFrame(
                .headers, flags: HTTP2Frame.Flag.endHeaders, stream: 1,
                HeaderBlock(callOf: Method.of(.clusterLoadAssignment, .delta).path, isTLS: false).bytes)
            try await connection.write(call)
        }
        let count = 20_000
        var batch = ByteBuffer()
        for index in 0..<count {
            switch kind {
            case .ping: batch.writeFrame(.ping, [1, 2, 3, 4, 5, 6, 7, 8])
            // INITIAL_WINDOW_SIZE: a change affects every stream.
            case .settings: batch.writeSettings([(4, UInt32(65_535 + index % 2))])
            case .priority: batch.writeFrame(.priority, stream: UInt32(2 * index + 1), [0, 0, 0, 0, 16])
            case .windowUpdate: batch.writeWindowUpdate(of: 0, by: 1)
            case .emptyData: batch.writeFrame(.data, stream: 1)
            }
        }
        while !Task.isCancelled {
            try await connection.write(batch)
            frames.add(count)
        }
    }
}
