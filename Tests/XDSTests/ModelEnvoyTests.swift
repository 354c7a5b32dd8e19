import Testing
import TestSupport
import XDS

/// A client as a value: it asks, takes, refuses, changes its mind and reconnects, as Envoy would.
private struct ModelEnvoy {
    /// Whether it asks for a type whose SotW responses carry everything.
    let isWhole: Bool
    private var subscription: ClientSubscription
    /// What it holds.
    private(set) var held: [ResourceName: ResourceVersion] = [:]
    /// Content that it refuses.
    var refused: Set<ResourceVersion> = []
    /// Requests on their way to the server, and responses on their way back.
    private(set) var outbox: [DiscoveryRequest] = []
    var inbox: [DiscoveryResponse] = []

    init(_ variant: Variant, isWhole: Bool) {
        subscription = ClientSubscription(variant)
        self.isWhole = isWhole
    }

    var variant: Variant { subscription.variant }
    var wanted: Set<ResourceName> { subscription.names }

    mutating func want(_ names: Set<ResourceName>) {
        let added = names.subtracting(wanted)
        let dropped = wanted.subtracting(names)
        guard !added.isEmpty || !dropped.isEmpty else { return }
        for name in dropped { held[name] = nil }
        outbox.append(subscription.change(adding: added, dropping: dropped))
    }

    mutating func reconnect() {
        inbox = []
        outbox = [subscription.start()]
    }

    mutating func takeRequest() -> DiscoveryRequest? { outbox.isEmpty ? nil : outbox.removeFirst() }

    /// Reads one response and answers it.
    mutating func read() {
        guard !inbox.isEmpty else { return }
        let response = inbox.removeFirst()
        let summary = ResponseSummary(response)
        let resources: [VersionedName]
        switch response {
        case .sotw(let response): resources = response.resources
        case .delta(let response): resources = response.resources
        }
        guard accept(resources) else {
            return outbox.append(subscription.reject(summary, reason: "refused"))
        }
        for name in summary.removed { held[name] = nil }
        outbox.append(subscription.accept(summary))
    }

    private mutating func accept(_ resources: [VersionedName]) -> Bool {
        guard !resources.contains(where: { refused.contains($0.version) }) else { return false }
        // What a whole response leaves out is gone.
        if isWhole, variant == .sotw { held = [:] }
        for resource in resources where wanted.contains(resource.name) {
            held[resource.name] = resource.version
        }
        return true
    }
}

private struct Simulation {
    var random: SeededGenerator
    var client: ModelEnvoy
    var server: StreamSubscriptions
    var content = Content()
    /// What this stream has sent since the client asked for it last.
    private var sent: [ResourceName: ResourceVersion] = [:]
    var duplicates: [VersionedName] = []
    private let names = (0..<8).map { ResourceName(rawValue: "r\($0)") }

    private let type: TypeURL

    init(seed: UInt64, _ variant: Variant, _ type: TypeURL) {
        random = SeededGenerator(seed: seed)
        client = ModelEnvoy(variant, isWhole: type == .cluster)
        self.type = type
        server = StreamSubscriptions(variant: variant, type: type, limits: limits)
    }

    mutating func step() throws {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<2: client.want(Set(names.filter { _ in Bool.random(using: &random) }))
        case 2..<7: change()
        case 7..<12: try deliverRequest()
        case 12..<16: write()
        case 16..<19: client.read()
        default:
            client.reconnect()
            sent = [:]
            server = StreamSubscriptions(variant: client.variant, type: type, limits: limits)
        }
    }

    mutating func change() {
        guard let name = names.randomElement(using: &random) else { return }
        let hash = UInt64.random(in: 1...5, using: &random) &+ UInt64(names.firstIndex(of: name) ?? 0) * 10
        // EDS resources don't vanish while someone wants them, in SotW: it couldn't be said.
        let mayVanish = client.variant == .delta || client.isWhole
        content.hashes[name] = mayVanish && Int.random(in: 0..<4, using: &random) == 0 ? nil : hash
        server.publish(type, [name])
    }

    mutating func deliverRequest() throws {
        guard let request = client.takeRequest() else { return }
        switch request {
        case .sotw(let request): sent = sent.filter { request.names.contains($0.key) }
        case .delta(let request): for name in request.subscribe + request.unsubscribe { sent[name] = nil }
        }
        try server.receive(request, type: type.rawValue, from: .envoy)
    }

    mutating func write() {
        let content = content
        guard let response = server.next(in: { _ in content })?.response else { return }
        client.inbox.append(response)
        var resources: [VersionedName] = []
        switch response {
        case .sotw(let response): resources = response.resources
        case .delta(let response):
            resources = response.resources
            for name in response.removed { sent[name] = nil }
        }
        // Whole responses say again what the client has.
        guard client.variant == .delta || !client.isWhole else { return }
        for resource in resources where sent.updateValue(resource.version, forKey: resource.name) == resource.version {
            duplicates.append(resource)
        }
    }

    /// Lets everything that is on its way arrive.
    ///
    /// Fails where the talk never ends.
    mutating func settle() throws -> Bool {
        for _ in 0..<1_000 {
            guard !client.outbox.isEmpty || !client.inbox.isEmpty else {
                write()
                if client.inbox.isEmpty { return true }
                continue
            }
            try deliverRequest()
            write()
            client.read()
        }
        return false
    }
}

@Test(arguments: [Variant.sotw, .delta], [TypeURL.clusterLoadAssignment, .cluster])
func `after any interleaving a client holds exactly what it asked for, and nothing came twice`(
    variant: Variant, type: TypeURL
) throws {
    for seed in 0..<3_000 as Range<UInt64> {
        var simulation = Simulation(seed: seed, variant, type)
        for _ in 0..<60 { try simulation.step() }
        let isSettled = try simulation.settle()
        #expect(isSettled, "seed \(seed): the talk never ends")
        let expected = simulation.content.hashes.filter { simulation.client.wanted.contains($0.key) }
        #expect(simulation.client.held.mapValues(\.hash) == expected, "seed \(seed)")
        #expect(simulation.duplicates.isEmpty, "seed \(seed): \(simulation.duplicates)")
    }
}

@Test(arguments: [Variant.sotw, .delta])
func `a client that refuses some content gets what it takes, and the talk ends`(variant: Variant) throws {
    for seed in 0..<1_000 as Range<UInt64> {
        var simulation = Simulation(seed: seed, variant, .clusterLoadAssignment)
        simulation.client.refused = Set((0..<8).map { ResourceVersion(hash: $0 * 10 + 3) })
        for _ in 0..<60 { try simulation.step() }
        let isSettled = try simulation.settle()
        #expect(isSettled, "seed \(seed): the talk never ends")
        for name in simulation.client.wanted {
            // Good content after bad mends everything.
            simulation.content.hashes[name] = 9_000
            simulation.server.publish(.clusterLoadAssignment, [name])
        }
        let isMended = try simulation.settle()
        #expect(isMended, "seed \(seed): the talk never ends")
        #expect(simulation.client.held.values.allSatisfy { $0.hash == 9_000 }, "seed \(seed)")
        #expect(Set(simulation.client.held.keys) == simulation.client.wanted, "seed \(seed)")
    }
}
