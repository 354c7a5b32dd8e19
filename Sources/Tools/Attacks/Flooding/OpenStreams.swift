import EnvoyAPI
import NIOCore

/// Opens as many streams as the limits allow, and sends nothing on them.
struct OpenStreams: Attack {
    let name = "open-streams"
    let summary = "10 connections, each with 9,000 open streams on which nothing comes"
    let bar = "RSS < 500 MB, new clients < 2 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let duration = stage.scale.duration(25, short: 6)
            let target = try RawTarget(victim)
            let streams = Shared(0)
            let connections = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let attack = PersistentAttack(target: target, connections: 10)
                connections.add(await attack.run(for: duration) { try await hold($0, streams) })
            }
            return exposure.figures(Exposure.Bars(memory: 500, newClient: 2)) + [
                Figure("streams", Double(streams.value), ""), Figure("connections", Double(connections.value), ""),
            ]
        }
    }

    private func hold(_ connection: RawConnection, _ streams: Shared<Int>) async throws {
        let call = HeaderBlock(callOf: Method.deltaAggregatedResources.path, isTLS: false).bytes
        for batch in 0..<90 {
            var bytes = ByteBuffer()
            for number in 0..<100 {
                let stream = UInt32(2 * (100 * batch + number) + 1)
                bytes.writeFrame(.headers, flags: HTTP2Frame.Flag.endHeaders, stream: stream, call)
            }
            try await connection.write(bytes)
            streams.add(100)
            try await Task.sleep(for: .milliseconds(10))
        }
        try await Task.sleep(for: .seconds(600))
    }
}
