import Testing
import TestSupport
import XDS
import XXHash

/// A client on one aggregated stream that wants all clusters, and the endpoints of each cluster that it has.
private struct AggregatedClient {
    /// The type and request, on its way to the server.
    var outbox: [(type: TypeURL, request: DiscoveryRequest, isPlainACK: Bool)] = []
    var inbox: [(type: TypeURL, response: DiscoveryResponse)] = []
    private(set) var clusters: [ResourceName: ResourceVersion] = [:]
    private(set) var assignments: [ResourceName: ResourceVersion] = [:]
    /// Clusters that are new or changed, and whose endpoints have not come since: they don't take traffic yet.
    private(set) var warming: Set<ResourceName> = []
    private let variant: Variant
    private var clusterSubscription: ClientSubscription
    private var endpointSubscription: ClientSubscription

    init(_ variant: Variant) {
        self.variant = variant
        clusterSubscription = ClientSubscription(variant, to: variant == .delta ? ["*"] : [])
        endpointSubscription = ClientSubscription(variant)
        connect()
    }

    var wantedAssignments: Set<ResourceName> { endpointSubscription.names }

    /// Starts a stream.
    ///
    /// An Envoy waits for endpoints for a limited time only, so nothing is warming after it.
    mutating func connect() {
        inbox = []
        warming = []
        outbox = [(.cluster, clusterSubscription.start(), false)]
        if !endpointSubscription.names.isEmpty {
            outbox.append((.clusterLoadAssignment, endpointSubscription.start(), false))
        }
    }

    /// Reads one response and answers it.
    mutating func read() {
        guard !inbox.isEmpty else { return }
        let (type, response) = inbox.removeFirst()
        let summary = ResponseSummary(response)
        let resources: [VersionedName]
        switch response {
        case .sotw(let response): resources = response.resources
        case .delta(let response): resources = response.resources
        }
        guard type == .cluster else {
            for resource in resources where wantedAssignments.contains(resource.name) {
                assignments[resource.name] = resource.version
                warming.remove(resource.name)
            }
            for name in summary.removed { assignments[name] = nil }
            outbox.append((type, endpointSubscription.accept(summary), true))
            return
        }
        let last = clusters
        if variant == .sotw { clusters = [:] }
        for resource in resources { clusters[resource.name] = resource.version }
        for name in summary.removed { clusters[name] = nil }
        warming = warming.filter { clusters[$0] != nil }
        for (name, version) in clusters where last[name] != version { warming.insert(name) }
        outbox.append((type, clusterSubscription.accept(summary), true))
        let (added, dropped) = (Set(clusters.keys).subtracting(last.keys), Set(last.keys).subtracting(clusters.keys))
        guard !added.isEmpty || !dropped.isEmpty else { return }
        for name in dropped { assignments[name] = nil }
        outbox.append((.clusterLoadAssignment, endpointSubscription.change(adding: added, dropping: dropped), false))
    }
}

private struct AggregatedSimulation {
    var random: SeededGenerator
    var client: AggregatedClient
    var content: [TypeURL: Content] = [.cluster: Content(), .clusterLoadAssignment: Content()]
    /// How many ACKs were received without a look at their names.
    var fastACKs = 0
    private var server: StreamSubscriptions
    private let variant: Variant
    private let dialect: ClientDialect
    private let names = (0..<6).map { ResourceName(rawValue: "c\($0)") }

    init(seed: UInt64, _ variant: Variant, _ dialect: ClientDialect) {
        random = SeededGenerator(seed: seed)
        client = AggregatedClient(variant)
        self.variant = variant
        self.dialect = dialect
        server = Self.stream(variant)
    }

    private static func stream(_ variant: Variant) -> StreamSubscriptions {
        StreamSubscriptions(variant: variant, type: nil, limits: limits)
    }

    mutating func step() throws {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<3: change(.cluster)
        case 3..<6: change(.clusterLoadAssignment)
        case 6..<11: try deliverRequest()
        case 11..<15: write()
        case 15..<19: client.read()
        default:
            client.connect()
            server = Self.stream(variant)
        }
    }

    private mutating func change(_ type: TypeURL) {
        guard let name = names.randomElement(using: &random) else { return }
        let isGone = type == .cluster && Int.random(in: 0..<4, using: &random) == 0
        content[type]?.hashes[name] = isGone ? nil : UInt64.random(in: 1...1_000_000, using: &random)
        server.publish(type, [name])
    }

    /// As a server would: an ACK that repeats the names is not decoded.
    private mutating func deliverRequest() throws {
        guard !client.outbox.isEmpty else { return }
        var (type, request, isPlainACK) = client.outbox.removeFirst()
        var acknowledgement: Acknowledgement?
        switch request {
        case .sotw(var sotw):
            let digest = xxHash64(sotw.names.map(\.rawValue).joined(separator: " "))
            sotw.digest = digest
            request = .sotw(sotw)
            acknowledgement = Nonce(sotw.nonce).map { Acknowledgement(type: type, nonce: $0, names: digest) }
        case .delta(let delta):
            acknowledgement = Nonce(delta.nonce).map { Acknowledgement(type: type, nonce: $0, names: 0) }
        }
        if isPlainACK, let acknowledgement, server.acknowledge(acknowledgement) {
            fastACKs += 1
        } else {
            try server.receive(request, type: type.rawValue, from: dialect)
        }
    }

    private mutating func write() {
        let content = content
        guard let (type, response) = server.next(in: { content[$0] ?? Content() }) else { return }
        client.inbox.append((type, response))
    }

    /// Lets everything that is on its way arrive; false if the exchange never ends.
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

@Test(arguments: [Variant.sotw, .delta], [ClientDialect.envoy, .grpc])
func `on an aggregated stream a client ends with what there is, and no cluster waits for its endpoints`(
    _ variant: Variant, _ dialect: ClientDialect
) throws {
    var fastACKs = 0
    for seed in 0..<2_000 as Range<UInt64> {
        var simulation = AggregatedSimulation(seed: seed, variant, dialect)
        for _ in 0..<80 { try simulation.step() }
        let isSettled = try simulation.settle()
        #expect(isSettled, "seed \(seed): the exchange never ends")
        let client = simulation.client
        let clusters = simulation.content[.cluster]?.hashes ?? [:]
        let assignments = simulation.content[.clusterLoadAssignment]?.hashes ?? [:]
        #expect(client.clusters.mapValues(\.hash) == clusters, "seed \(seed)")
        #expect(client.wantedAssignments == Set(clusters.keys), "seed \(seed)")
        #expect(
            client.assignments.mapValues(\.hash) == assignments.filter { clusters[$0.key] != nil }, "seed \(seed)")
        #expect(client.warming.allSatisfy { assignments[$0] == nil }, "seed \(seed): \(client.warming)")
        fastACKs += simulation.fastACKs
    }
    #expect(fastACKs > 5_000, "the fast path was used \(fastACKs) times")
}
