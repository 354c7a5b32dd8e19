import Testing
import TestSupport
import XDS

/// A client of one collection, which asks, reads late, drops and comes back at random, and a server whose content changes.
private struct Simulation {
    private static let collection: ResourceName = "xdstp://x/E/s/*"
    private static let names = (0..<6).map { ResourceName(rawValue: "xdstp://x/E/s/\($0)") }

    private var random: SeededGenerator
    private var server = Self.stream()
    private var content = Content()
    private var requests: [DeltaRequest] = []
    private var responses: [DeltaResponse] = []
    private var isSubscribed = false
    private(set) var held: [ResourceName: ResourceVersion] = [:]
    /// What was sent twice though nobody asked again.
    private(set) var duplicates: [VersionedName] = []

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// What the client should hold.
    var expected: [ResourceName: ResourceVersion] {
        isSubscribed ? content.hashes.mapValues(ResourceVersion.init(hash:)) : [:]
    }

    mutating func step() throws {
        switch Int.random(in: 0..<16, using: &random) {
        case 0: subscribe(!isSubscribed)
        case 1: reconnect()
        case 2..<8: change()
        case 8..<10: try deliver()
        case 10..<13: write()
        default: read()
        }
    }

    mutating func settle() throws {
        while !requests.isEmpty || !responses.isEmpty || server.hasNews {
            try deliver()
            write()
            read()
        }
    }

    private mutating func subscribe(_ isSubscribed: Bool) {
        self.isSubscribed = isSubscribed
        if !isSubscribed { held = [:] }
        requests.append(
            isSubscribed
                ? DeltaRequest(subscribe: [Self.collection]) : DeltaRequest(unsubscribe: [Self.collection]))
    }

    private mutating func reconnect() {
        (server, requests, responses) = (Self.stream(), [], [])
        guard isSubscribed else { return }
        requests.append(
            DeltaRequest(subscribe: [Self.collection], initialVersions: held.mapValues(\.description)))
    }

    private mutating func change() {
        let name = Self.names.randomElement(using: &random) ?? Self.collection
        content.hashes[name] =
            Int.random(in: 0..<3, using: &random) == 0 ? nil : UInt64.random(in: 1...9, using: &random)
        server.publish(.endpoint, [name])
    }

    private mutating func deliver() throws {
        guard !requests.isEmpty else { return }
        try server.receive(.delta(requests.removeFirst()), type: TypeURL.endpoint.rawValue, from: .envoy)
    }

    private mutating func write() {
        let content = content
        guard case .delta(var response)? = server.next(in: { _ in content })?.response else { return }
        for name in response.collections.flatMap({ content.content(of: $0)?.names ?? [] }) {
            response.resources.append(VersionedName(name: name, version: content.version(of: name) ?? .init(hash: 0)))
        }
        responses.append(response)
    }

    private mutating func read() {
        guard !responses.isEmpty else { return }
        let response = responses.removeFirst()
        requests.append(DeltaRequest(nonce: "\(response.nonce)"))
        guard isSubscribed else { return }
        for resource in response.resources {
            let isTwice = held.updateValue(resource.version, forKey: resource.name) == resource.version
            if isTwice, response.collections.isEmpty { duplicates.append(resource) }
        }
        for name in response.removed { held[name] = nil }
    }

    private static func stream() -> StreamSubscriptions {
        StreamSubscriptions(variant: .delta, type: .endpoint, limits: limits)
    }
}

@Test func `after any interleaving a client holds exactly what is in its collection`() throws {
    for seed in 0..<4_000 as Range<UInt64> {
        var simulation = Simulation(seed: seed)
        for _ in 0..<60 { try simulation.step() }
        try simulation.settle()
        #expect(simulation.held == simulation.expected, "seed \(seed)")
        #expect(simulation.duplicates.isEmpty, "seed \(seed): \(simulation.duplicates)")
    }
}
