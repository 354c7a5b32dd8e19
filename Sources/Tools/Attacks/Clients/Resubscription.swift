import EnvoyAPI
import XDS

/// A client that repeatedly subscribes to almost as many names as the limit allows.
struct Resubscription: Attack {
    let name = "resubscribe"
    let summary = "a client that subscribes to 11,000 names on each of 4 streams, drops them and begins again"
    let bar = "changes arrive within 500 ms, new clients < 2 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let target = try RawTarget(victim)
            let duration = stage.scale.duration(10, short: 4)
            let requests = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let end = ContinuousClock.now + duration
                while ContinuousClock.now < end, !Task.isCancelled {
                    try? await GRPCSender.open(to: target) { try await resubscribe($0, until: end, requests) }
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
            return exposure.figures(Exposure.Bars(memory: 300, honestMost: 0.5, newClient: 2)) + [
                Figure("requests", Double(requests.value), ""),
                Figure("requests were taken", isTrue: requests.value > 0),
            ]
        }
    }

    private func resubscribe(
        _ client: GRPCSender, until end: ContinuousClock.Instant, _ requests: Shared<Int>
    ) async throws {
        var streams: [UInt32] = []
        for _ in 0..<4 { streams.append(try await client.openStream(Method.of(.clusterLoadAssignment, .delta).path)) }
        let type = TypeURL.clusterLoadAssignment.rawValue
        let names = (0..<11_000).map { ResourceName(rawValue: "no-such-service-\($0)") }
        let first = DiscoveryRequest.delta(DeltaRequest(subscribe: names))
            .encoded(type: type, node: Node(id: "again", userAgent: Node.envoyAgent))
        let subscribe = DiscoveryRequest.delta(DeltaRequest(subscribe: names)).encoded(type: type)
        let drop = DiscoveryRequest.delta(DeltaRequest(unsubscribe: names)).encoded(type: type)
        for stream in streams { try await client.send(first, on: stream) }
        while ContinuousClock.now < end, !Task.isCancelled {
            for stream in streams {
                try await client.send(drop, on: stream)
                try await client.send(subscribe, on: stream)
                requests.add(2)
            }
        }
    }
}
