import NIOCore

/// Starts TLS handshakes again and again, without a certificate.
struct HandshakeFlood: Attack {
    let name = "handshake-flood"
    let summary = "20 senders without a certificate that begin mutual TLS again and again"
    let bar = "RSS < 150 MB, new clients < 2 s, honest p99 < 1 s, log under 1 MB a minute"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration(isTLS: true)) { victim in
            let duration = stage.scale.duration(10, short: 2)
            let target = try RawTarget(victim, showsCertificate: false)
            let connections = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let attack = PersistentAttack(target: target, connections: 20)
                connections.add(await attack.run(for: duration) { _ in try await Task.sleep(for: .seconds(600)) })
            }
            return exposure.figures(Exposure.Bars(memory: 150, newClient: 2)) + [
                Figure("log a minute", Double(exposure.logBytes) / 1_000_000 * 60 / exposure.seconds, "MB", most: 1),
                Figure("connections", Double(connections.value), ""),
            ]
        }
    }
}
