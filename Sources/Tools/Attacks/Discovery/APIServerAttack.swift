/// An API server whose responses never end.
struct APIServerAttack: Attack {
    var kind: HostileAPIServer.Kind

    var name: String { "api-endless-\(kind.rawValue)" }
    var summary: String {
        switch kind {
        case .line: "an API server sends one line of a watch that never ends"
        case .list: "an API server sends one page of a list that never ends"
        case .pages: "an API server sends pages of a list without end"
        case .events: "an API server sends new objects without end"
        }
    }
    let bar = "RSS < 300 MB, stale within 30 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        let server = try await HostileAPIServer(kind)
        do {
            let figures = try await play(on: stage, server)
            await server.stop()
            return figures
        } catch {
            await server.stop()
            throw error
        }
    }

    private func play(on stage: AttackStage, _ server: HostileAPIServer) async throws -> [Figure] {
        var configuration = VictimConfiguration(services: ["shop"], kubernetes: ["far"])
        // A debug build takes half a minute to reach the default limit.
        if stage.scale.isShort { configuration.objects = 4_000 }
        let files = ["far.kubeconfig": server.kubeconfig]
        return try await stage.withVictim(in: stage.makeDirectory(name), configuration, files: files) { victim in
            let stale = Shared<Duration?>(nil)
            let least = stage.scale.duration(10, short: 4)
            let exposure = try await Exposure.measure(victim) {
                server.turnHostile()
                let time = try await victim.timeUntilStale("far", atLeast: least)
                stale.change { $0 = time }
            }
            return exposure.figures(Exposure.Bars(memory: 300, newClient: 2)) + [
                Figure("stale after", stale.value.map { $0 / .seconds(1) }, "s", most: 30),
                Figure("sent", Double(server.sentBytes) / 1_000_000, "MB"),
            ]
        }
    }
}
