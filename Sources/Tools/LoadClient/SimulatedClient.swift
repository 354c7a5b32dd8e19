import EnvoyAPI
import GRPCTransport
import XDS

/// One client of a load: it subscribes, ACKs every response, and reconnects with its state if its stream is lost.
final class SimulatedClient: StreamHandler {
    /// The state that survives the loss of a stream.
    struct Memory: Sendable {
        var assignments: ClientSubscription
        /// Of the collections of endpoints (LEDS).
        var endpoints = ClientSubscription(.delta)
        /// By service: the number of the last change received; none before the first receipt.
        var received: [Int: Int] = [:]
        /// The service of each LEDS collection.
        var collections: [String: Int] = [:]
        var isSynced = false
    }

    private let plan: LoadPlan
    private let services: [String: Int]
    private let meter: LoadMeter
    private let lost: @Sendable (Memory) -> Void
    private var memory: Memory
    private var outgoing: [[Slice]]
    /// The names, which a SotW client repeats with every ACK.
    private let encodedNames: Slice?

    /// - Parameters:
    ///   - memory: the state of the stream before this one, if there was one.
    ///   - lost: called when the stream ends.
    init(
        _ number: Int, of plan: LoadPlan, _ meter: LoadMeter, _ memory: Memory? = nil,
        lost: @escaping @Sendable (Memory) -> Void
    ) {
        self.plan = plan
        self.meter = meter
        self.lost = lost
        let wanted = plan.services(of: number)
        services = Dictionary(uniqueKeysWithValues: wanted.map { (plan.names[$0], $0) })
        let names = wanted.map { ResourceName(rawValue: plan.names[$0]) }
        encodedNames = plan.variant == .sotw ? Slice(DiscoveryRequest.encodedNames(names)) : nil
        var metadata = plan.metadata
        if plan.usesLEDS { metadata["leds"] = "true" }
        // The newest version, because servers may withhold features from older Envoys that don't support them.
        let node = Node(
            id: "load-\(number)", cluster: "load", userAgent: Node.envoyAgent, envoyVersion: EnvoyVersion(1, 40, 0),
            metadata: metadata)
        var memory = memory ?? Memory(assignments: ClientSubscription(plan.variant, to: Set(names)))
        let first = memory.assignments.start().encoded(type: TypeURL.clusterLoadAssignment.rawValue, node: node)
        outgoing = [[Slice(first)]]
        if !memory.collections.isEmpty {
            outgoing.append([Slice(memory.endpoints.start().encoded(type: TypeURL.endpoint.rawValue))])
        }
        self.memory = memory
    }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        guard let response = ScannedResponse(scanning: message, plan.variant) else {
            throw GRPCStatus(.internal, "a response that can't be read")
        }
        meter.count(responseOf: message.byteCount, resources: response.resources.count)
        let type = TypeURL(rawValue: response.type)
        if type == .endpoint {
            memory.endpoints.note(accepted: response.summary)
        } else {
            memory.assignments.note(accepted: response.summary)
        }
        for resource in response.resources { take(resource, type) }
        if !memory.isSynced, memory.received.count == services.count {
            memory.isSynced = true
            meter.noteSync(true)
        }
        let acknowledgement = Slice(
            DiscoveryRequest.encodedAcknowledgement(
                of: response.nonce, version: response.version, type: type, plan.variant))
        outgoing.append([acknowledgement] + [encodedNames].compactMap(\.self))
    }

    func nextMessage() -> [Slice]? { outgoing.isEmpty ? nil : outgoing.removeFirst() }

    func closed(_ status: GRPCStatus) { lost(memory) }

    private func take(_ resource: ScannedResponse.Resource, _ type: TypeURL) {
        if type == .endpoint {
            let collection = ResourceName(rawValue: resource.name).collection?.rawValue
            guard let service = collection.flatMap({ memory.collections[$0] }) else { return }
            note(service, resource.weight)
        } else if let service = services[resource.name] {
            // With LEDS, the endpoints arrive later.
            guard resource.collections.isEmpty else { return follow(resource.collections, of: service) }
            note(service, resource.weight)
        }
    }

    private func note(_ service: Int, _ weight: UInt64?) {
        memory.received[service] = meter.noteReceipt(
            of: service, weight: weight, after: memory.received[service] ?? -1)
    }

    /// Subscribes to the new collections of a service, and unsubscribes from those that are gone.
    private func follow(_ collections: [String], of service: Int) {
        let gone = memory.collections.filter { $0.value == service && !collections.contains($0.key) }.keys.sorted()
        let new = collections.filter { memory.collections[$0] == nil }
        guard !gone.isEmpty || !new.isEmpty else { return }
        for name in gone { memory.collections[name] = nil }
        for name in new { memory.collections[name] = service }
        let request = memory.endpoints.change(
            adding: new.map(ResourceName.init(rawValue:)), dropping: gone.map(ResourceName.init(rawValue:)))
        outgoing.append([Slice(request.encoded(type: TypeURL.endpoint.rawValue))])
    }
}
