import EnvoyAPI
import Model
import Testing
import TestSupport
import XDS

private let good = DiscoveryRequest.delta(
    DeltaRequest(subscribe: ["a", "b"], initialVersions: ["a": "1"], nonce: "n", rejection: "why")
).encoded(type: "t", node: Node(id: "n", metadata: ["cluster": "east"]))

@Test func `every prefix, and every request with one byte changed, is decoded or refused`() {
    var random = SeededGenerator(seed: 1)
    var refused = 0
    for length in 0..<good.count {
        for variant in [Variant.sotw, .delta] {
            if (try? DecodedRequest(Array(good.prefix(length)), variant)) == nil { refused += 1 }
        }
        var mutated = good
        mutated[length] = UInt8.random(in: 0...255, using: &random)
        _ = try? DecodedRequest(mutated, .delta)
    }
    #expect(refused > 0)
}

@Test func `random bytes are decoded or refused`() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<20_000 {
        let bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        _ = try? DecodedRequest(bytes, .sotw)
        _ = try? DecodedRequest(bytes, .delta)
    }
}

@Test func `what another Ballast exports is decoded whole or refused`() throws {
    let service = ExportedService(
        name: "s", cluster: "west",
        pods: [
            Pod(name: "a", address: address("10.0.0.1:80"), weight: Weight(7) ?? .one, zone: "z", health: .draining),
            Pod(name: "b", address: address("[2001:db8::1]:80"), health: .unhealthy),
        ], gateways: [address("192.0.2.1:15443")])
    // The bytes of the resource, after the tag and the length of the `Any`'s value.
    let any = EncodedResource(service).any
    let start = try #require(any.indices.first { index in (try? ExportedService(Array(any[index...]))) == service })
    let content = Array(any[start...])
    var random = SeededGenerator(seed: 4)
    for index in content.indices {
        _ = try? ExportedService(Array(content.prefix(index)))
        var mutated = content
        mutated[index] = UInt8.random(in: 0...255, using: &random)
        _ = try? ExportedService(mutated)
    }
    for twin in [
        Pod(name: "a", address: address("10.0.0.9:80")), Pod(name: "c", address: address("10.0.0.1:80")),
    ] {
        var doubled = service
        doubled.pods.append(twin)
        let bytes = EncodedResource(doubled).any
        #expect(!bytes.indices.contains { index in (try? ExportedService(Array(bytes[index...])))?.pods.count == 3 })
    }
}

@Test func `300,000 messages within messages are refused, not followed`() {
    // Node.metadata.fields["k"] = {{{…}}}: each level is a Struct's entry (1), its value (2) and a Value's Struct
    // (5).
    func wrap(_ field: UInt8, _ byteCount: Int) -> [UInt8] {
        WireWriter.message { $0.message(field, byteCount: byteCount) }
    }
    // Written back to front, so that it stays linear.
    var reversed: [UInt8] = []
    for depth in 0..<100_000 {
        for field in depth == 99_999 ? [5, 2, 1, 3, 2] as [UInt8] : [5, 2, 1] {
            reversed += wrap(field, reversed.count).reversed()
        }
    }
    let levels = Array(reversed.reversed())
    #expect(levels.count < 4 * 1024 * 1024)
    #expect(throws: DecodingFailure.self) { try DecodedRequest(levels, .sotw) }
}
