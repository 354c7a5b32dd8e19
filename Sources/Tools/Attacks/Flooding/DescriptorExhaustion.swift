import TestBench

/// Opens more TCP connections than the server may have open files, then closes all (CVE-2023-4785).
struct DescriptorExhaustion: Attack {
    /// Without the guard, the server no longer accepts connections afterwards; it must report that.
    let isGuarded: Bool

    var name: String { isGuarded ? "descriptors" : "descriptors-unguarded" }
    var summary: String {
        "400 TCP connections to a server that may have 256 files open, held, and then all gone"
            + (isGuarded ? "" : "; with `connectionGuard: off`")
    }
    var bar: String { isGuarded ? "a new client within 10 s" : "/healthz says 503 within 30 s" }

    func play(on stage: AttackStage) async throws -> [Figure] {
        let configuration = VictimConfiguration(isGuarded: isGuarded)
        return try await stage.withVictim(in: stage.makeDirectory(name), configuration, openFiles: 256) { victim in
            let target = try RawTarget(victim)
            let hold = stage.scale.duration(10, short: 4)
            guard isGuarded else {
                _ = await HeldConnections(target: target, count: 400).hold(for: hold)
                let deaf = await firstResult(within: .seconds(30)) {
                    while await victim.get("/healthz")?.status != 503, !Task.isCancelled {
                        try? await Task.sleep(for: .milliseconds(200))
                    }
                    return true
                }
                return [Figure("/healthz says 503", isTrue: deaf == true)]
            }
            let opened = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                opened.add(await HeldConnections(target: target, count: 400).hold(for: hold).opened)
            }
            let answer = await victim.get("/healthz")
            return exposure.figures(Exposure.Bars(honestP99: nil, newClientAfter: 10)) + [
                Figure("connections", Double(opened.value), ""),
                Figure("/healthz afterwards", isTrue: answer?.status == 200),
            ]
        }
    }
}
