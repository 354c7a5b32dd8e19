import EnvoyAPI
import XDS

/// Many streams of one client, each with the largest node and initial versions that the server accepts.
struct NodeFlood: Attack {
    let name = "node-flood"
    let summary = "one client with 200 streams, each with node metadata of 4 MB, and then 900 held names of 4,000 bytes"
    let bar = "RSS < 300 MB, new clients < 2 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let target = try RawTarget(victim)
            let duration = stage.scale.duration(10, short: 5)
            let refused = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let end = ContinuousClock.now + duration
                try? await GRPCSender.open(to: target) { client in
                    for number in 0..<200 where ContinuousClock.now < end && !Task.isCancelled {
                        do {
                            try await fill(client, number)
                        } catch {
                            refused.add(1)
                        }
                    }
                    try await Task.sleep(until: end, clock: .continuous)
                }
            }
            return exposure.figures(Exposure.Bars(memory: 300, newClient: 2)) + [
                Figure("streams that were ended", Double(refused.value), "")
            ]
        }
    }

    private func fill(_ client: GRPCSender, _ number: Int) async throws {
        let stream = try await client.openStream(Method.of(.clusterLoadAssignment, .delta).path)
        let type = TypeURL.clusterLoadAssignment.rawValue
        let half = String(repeating: "m", count: 2_090_000)
        let node = Node(id: "node-\(number)", userAgent: Node.envoyAgent, metadata: ["one": half, "two": half])
        try await client.send(
            DiscoveryRequest.delta(DeltaRequest(subscribe: ["honest"])).encoded(type: type, node: node), on: stream)
        // The initial resource versions come with the first request.
        let aggregated = try await client.openStream(Method.deltaAggregatedResources.path)
        let filler = String(repeating: "h", count: 3_990)
        let held = Dictionary(
            uniqueKeysWithValues: (0..<900).map { (ResourceName(rawValue: "\(10_000 + $0)\(filler)"), "1") })
        try await client.send(
            DiscoveryRequest.delta(DeltaRequest(subscribe: ["*"], initialVersions: held))
                .encoded(type: type, node: Node(id: "node-\(number)", userAgent: Node.envoyAgent)), on: aggregated)
    }
}
