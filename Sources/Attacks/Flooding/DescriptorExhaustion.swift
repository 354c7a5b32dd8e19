import TestBench

/// More TCP connections than the server may have files open, and then none (CVE-2023-4785).
struct DescriptorExhaustion: Attack {
    let name = "descriptors"
    let summary = "400 TCP connections to a server that may have 256 files open, held, and then all gone"
    let bar = "a new client within 10 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration(), openFiles: 256) { victim in
            let target = try RawTarget(victim)
            let hold = stage.scale.duration(10, short: 4)
            let opened = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                opened.add(await HeldConnections(target: target, count: 400).hold(for: hold).opened)
            }
            let answer = await victim.get("/healthz")
            return exposure.figures(Exposure.Bars(honestP99: nil, newClientAfter: 10)) + [
                Figure("connections", Double(opened.value), ""),
                Figure("/healthz afterwards", answer.map { "\($0.status)" } ?? "none"),
            ]
        }
    }
}
