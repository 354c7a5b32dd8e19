import NIOCore
import TestBench

/// Incomplete requests to the admin API.
struct AdminHalfRequests: Attack {
    let name = "admin-half-requests"
    let summary = "3,000 connections to the admin API, each with half a request"
    let bar = "all ended within 30 s; the admin API and new clients answer within 2 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let target = try RawTarget(victim, port: victim.adminPort)
            let count = stage.scale.count(3_000, short: 1_000)
            let hold = stage.scale.duration(30, short: 30)
            let outcome = Shared(HeldConnections.Outcome())
            let slowest = Shared<Duration?>(.zero)
            let isOver = Shared(false)
            let exposure = try await Exposure.measure(victim) {
                let asking = Task {
                    while !isOver.value {
                        try? await Task.sleep(for: .milliseconds(500))
                        let start = ContinuousClock.now
                        let answer = await victim.get("/healthz")
                        slowest.change { slowest in
                            slowest = answer == nil ? nil : slowest.map { max($0, ContinuousClock.now - start) }
                        }
                    }
                }
                let held = HeldConnections(target: target, count: count) { _ in
                    ByteBuffer(string: "GET /v1/services HTTP/1.1\r\nHost: ")
                }
                let result = await held.hold(for: hold)
                outcome.change { $0 = result }
                isOver.change { $0 = true }
                await asking.value
            }
            let result = outcome.value
            return exposure.figures(Exposure.Bars(memory: 300, newClient: 2)) + [
                Figure("connections", Double(result.opened), ""),
                Figure("ended by the server", Double(result.ended), ""),
                Figure(
                    "until all were ended", result.untilAllEnded.map { $0 / .seconds(1) }, "s", most: 30),
                Figure("slowest /healthz", slowest.value.map { $0 / .seconds(1) }, "s", most: 2),
            ]
        }
    }
}
