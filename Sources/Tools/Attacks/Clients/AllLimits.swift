import EnvoyAPI
import LoadClient
import TestBench
import XDS

/// A client that exhausts every limit.
struct AllLimits: Attack {
    let name = "all-limits"
    let summary =
        "one client with 100,000 names of 4,000 bytes, 31 type URLs and node metadata of 4 MB each, and 1,000 refusals of 64 kB in a second"
    let bar = "what it costs stays under 32 MB, log under 1 MB a minute, /v1/clients answers"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let target = try RawTarget(victim)
            let seconds = stage.scale.duration(6, short: 3)
            let names = stage.scale.count(100_000, short: 25_000)
            let kept = Shared<Double?>(nil)
            let log = Shared<[Double]>([])
            let status = Shared<Int?>(nil)
            let page = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                let before = victim.usage?.residentBytes ?? 0
                try await GRPCSender.open(to: target) { client in
                    await play(client, names: names, refusingFor: seconds) { bytes in
                        log.change { $0.append(Double(bytes) / 1_000_000) }
                    } logBytes: {
                        victim.logBytes
                    }
                    let answer = await victim.get("/v1/clients", within: .seconds(20))
                    status.change { $0 = answer?.status }
                    page.add(answer?.body.utf8.count ?? 0)
                    // What stays: messages of 4 MB that are just being read are not what the client costs.
                    for _ in 0..<50 {
                        if let usage = victim.usage, usage.residentBytes > 0 {
                            let cost = Double(usage.residentBytes - before) / 1_048_576
                            kept.change { $0 = min($0 ?? cost, cost) }
                        }
                        if kept.value ?? .infinity < 32 { break }
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
            let minute = log.value.last.map { $0 * 60 / (seconds / .seconds(1)) }
            return exposure.figures(Exposure.Bars(memory: nil, newClient: 2)) + [
                Figure("RSS with the client, above before", kept.value, "MB", most: 32),
                Figure("log a minute of refusals", minute, "MB", most: 1),
                Figure(
                    "/v1/clients is 200", isTrue: status.value == 200,
                    otherwise: status.value.map { "\($0)" } ?? "no answer"),
                Figure("/v1/clients", Double(page.value) / 1_000_000, "MB"),
            ]
        }
    }

    /// Ignores streams that the server ends, since that is what the limits are for.
    private func play(
        _ client: GRPCSender, names: Int, refusingFor seconds: Duration, _ logged: (Int) -> Void,
        logBytes: () -> Int
    ) async {
        try? await subscribe(client, names)
        try? await useTypes(client)
        try? await describe(client)
        let before = logBytes()
        try? await refuse(client, for: seconds)
        logged(logBytes() - before)
    }

    private func subscribe(_ client: GRPCSender, _ names: Int) async throws {
        let stream = try await client.openStream(Method.of(.clusterLoadAssignment, .delta).path)
        let perRequest = 1_000
        let filler = String(repeating: "n", count: 3_992)
        for first in stride(from: 0, to: names, by: perRequest) {
            let batch = (first..<first + perRequest).map { number in
                ResourceName(rawValue: "\(10_000_000 + number)\(filler)")
            }
            let node = first == 0 ? Node(id: "limits", userAgent: Node.envoyAgent) : nil
            try await client.send(
                DiscoveryRequest.delta(DeltaRequest(subscribe: batch))
                    .encoded(type: TypeURL.clusterLoadAssignment.rawValue, node: node), on: stream)
        }
    }

    private func useTypes(_ client: GRPCSender) async throws {
        let stream = try await client.openStream(Method.deltaAggregatedResources.path)
        for number in 0..<31 {
            let type = "type.googleapis.com/\(number)." + String(repeating: "t", count: 4_190_000)
            try await client.send(
                DiscoveryRequest.delta(DeltaRequest(subscribe: ["a"]))
                    .encoded(type: type, node: number == 0 ? Node(id: "limits") : nil), on: stream)
        }
    }

    private func describe(_ client: GRPCSender) async throws {
        let stream = try await client.openStream(Method.of(.clusterLoadAssignment, .delta).path)
        let half = String(repeating: "m", count: 2_000_000)
        let node = Node(id: "limits", userAgent: Node.envoyAgent, metadata: ["one": half, "two": half])
        try await client.send(
            DiscoveryRequest.delta(DeltaRequest(subscribe: ["honest"]))
                .encoded(type: TypeURL.clusterLoadAssignment.rawValue, node: node), on: stream)
    }

    /// Sends 1,000 NACKs per second, each with an error message that contains line ends and escape sequences.
    private func refuse(_ client: GRPCSender, for seconds: Duration) async throws {
        let stream = try await client.openStream(Method.of(.clusterLoadAssignment, .sotw).path)
        let type = TypeURL.clusterLoadAssignment.rawValue
        try await client.send(
            DiscoveryRequest.sotw(SotWRequest(names: ["honest"]))
                .encoded(type: type, node: Node(id: "limits", userAgent: Node.envoyAgent)), on: stream)
        let start = ContinuousClock.now
        let line = "\n2026-01-01T00:00:00+0000 critical ballast: [ControlPlane] \u{1b}[31mforged\u{1b}[0m"
        let reason = String(repeating: line, count: 64_000 / line.utf8.count)
        var number = 0
        var nonce = ""
        while ContinuousClock.now - start < seconds {
            if let answer = try? await client.message(on: stream, within: number == 0 ? .seconds(5) : .zero) {
                nonce = try DecodedResponse(answer, .sotw).nonce
            }
            let refusal = SotWRequest(names: ["honest"], nonce: nonce, rejection: "\(number) \(reason)")
            try await client.send(DiscoveryRequest.sotw(refusal).encoded(type: type), on: stream)
            number += 1
            try await Task.sleep(until: start + .milliseconds(number), clock: .continuous)
        }
    }
}
