import NIOCore

/// Connections to the xDS server that don't speak HTTP/2.
struct SilentConnections: Attack {
    var isTLS: Bool

    var name: String { isTLS ? "silent-tls" : "silent" }
    var summary: String {
        isTLS
            ? "600 connections that say nothing, or half a TLS handshake"
            : "600 connections that say nothing, or half of HTTP/2's preface"
    }
    let bar = "all ended within 30 s; new clients < 2 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration(isTLS: isTLS)) { victim in
            // Plain TCP even with TLS: the beginning of a handshake is sent by hand.
            let target = try RawTarget(victim, port: victim.xdsPort)
            let outcome = Shared(HeldConnections.Outcome())
            let hold = stage.scale.duration(30, short: 30)
            let count = stage.scale.count(600, short: 200)
            let exposure = try await Exposure.measure(victim) {
                let held = HeldConnections(target: target, count: count) { number in
                    guard number % 2 == 1 else { return nil }
                    // The header of a TLS record with 512 bytes of a ClientHello, and its first bytes.
                    return isTLS
                        ? ByteBuffer(bytes: [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
                        : ByteBuffer(string: "PRI * HTTP/2")
                }
                let result = await held.hold(for: hold)
                outcome.change { $0 = result }
            }
            let result = outcome.value
            return exposure.figures(Exposure.Bars(memory: 150, newClient: 2)) + [
                Figure("connections", Double(result.opened), ""),
                Figure("ended by the server", Double(result.ended), ""),
                Figure("until all were ended", result.untilAllEnded.map { $0 / .seconds(1) }, "s", most: 30),
            ]
        }
    }
}
