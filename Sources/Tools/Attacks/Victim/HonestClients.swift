import Balancing
import EnvoyAPI
import GRPCTransport
import LoadClient
import Model
import Synchronization
import TestBench
import XDS

/// A delta and a SotW client that must receive every change, and the changes themselves.
///
/// A change is a new weight in the endpoints file. A client that receives a later weight has the earlier changes, too.
final class HonestClients: Sendable {
    /// How the changes arrived at both clients.
    struct Report: Sendable {
        /// The number of (client, change) pairs.
        var changes = 0
        /// The pairs that took longer than the victim's `patience`, or never arrived.
        var missed = 0
        /// Nil if nothing arrived.
        var delay: Percentiles?
    }

    private struct State {
        /// The changes that each client has not received yet, oldest first.
        var awaited: [[(weight: Int, since: ContinuousClock.Instant)]] = [[], []]
        var delays: [Duration] = []
    }

    private static let interval = Duration.milliseconds(250)
    private static let methods = [Method.deltaAggregatedResources, .of(.clusterLoadAssignment, .sotw)]
    private static let service: ResourceName = "honest"

    private let victim: Victim
    private let state = Mutex(State())
    private let lastWeight = Mutex(1)
    /// Services besides `honest`, with their addresses.
    private let services: [String: [String]]

    init(_ victim: Victim, services: [String: [String]] = [:]) {
        self.victim = victim
        self.services = services
    }

    /// Runs the clients until cancelled.
    func listen() async {
        await withTaskGroup { group in
            for client in Self.methods.indices {
                group.addTask {
                    while !Task.isCancelled {
                        await self.follow(client)
                        try? await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
        }
    }

    func change() async {
        while !Task.isCancelled {
            let weight = lastWeight.withLock { weight in
                weight += 1
                return weight
            }
            let now = ContinuousClock.now
            state.withLock { state in
                for client in state.awaited.indices { state.awaited[client].append((weight, now)) }
            }
            try? victim.write(VictimConfiguration.home(weight: weight, services: services), to: "home.yaml")
            try? await Task.sleep(until: now + Self.interval, clock: .continuous)
        }
    }

    /// Waits until both clients have received a few changes, then discards their delays.
    func warmUp() async throws {
        try await eventually(within: .seconds(20), "honest clients see changes") {
            self.state.withLock { $0.delays.count >= 4 && $0.awaited.allSatisfy { $0.count <= 1 } }
        }
        state.withLock { $0.delays = [] }
    }

    /// Waits until all changes have been received, or the last one counts as missed.
    func settle() async {
        let end = ContinuousClock.now + victim.patience
        while ContinuousClock.now < end, state.withLock({ !$0.awaited.allSatisfy(\.isEmpty) }) {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// The report since the last call of `warmUp`.
    var report: Report {
        state.withLock { state in
            let open = state.awaited.reduce(0) { $0 + $1.count }
            return Report(
                changes: state.delays.count + open,
                missed: open + state.delays.count { $0 > victim.patience }, delay: Percentiles(state.delays))
        }
    }

    /// Follows one stream until it ends.
    private func follow(_ client: Int) async {
        let method = Self.methods[client]
        guard let channel = try? victim.channel() else { return }
        let stream = await channel.open(method.path)
        await stream.send(Self.request(method, node: "honest-\(client)"))
        do {
            for try await message in stream.messages {
                let response = try DecodedResponse(message, method.variant)
                for resource in response.resources {
                    note(try DecodedAssignment(resource.content), client)
                }
                await stream.send(Self.acknowledgement(of: response, method))
            }
        } catch {
            // A stream that has ended is opened again.
        }
        await stream.cancel()
        await channel.shutdown()
    }

    private func note(_ assignment: DecodedAssignment, _ client: Int) {
        let weights = assignment.localities.flatMap(\.endpoints)
            .filter { $0.address.description.hasPrefix("10.1.0.1:") }.map { Int($0.weight) }
        guard let weight = weights.first else { return }
        let now = ContinuousClock.now
        state.withLock { state in
            while let first = state.awaited[client].first, first.weight <= weight {
                state.delays.append(now - first.since)
                state.awaited[client].removeFirst()
            }
        }
    }

    private static func request(_ method: Method, node: String) -> [UInt8] {
        let node = Node(id: node, cluster: "home", userAgent: Node.envoyAgent)
        let type = TypeURL.clusterLoadAssignment.rawValue
        switch method.variant {
        case .sotw: return DiscoveryRequest.sotw(SotWRequest(names: [service])).encoded(type: type, node: node)
        case .delta: return DiscoveryRequest.delta(DeltaRequest(subscribe: [service])).encoded(type: type, node: node)
        }
    }

    private static func acknowledgement(of response: DecodedResponse, _ method: Method) -> [UInt8] {
        let type = TypeURL.clusterLoadAssignment.rawValue
        switch method.variant {
        case .sotw:
            return DiscoveryRequest.sotw(
                SotWRequest(names: [service], version: response.version, nonce: response.nonce)
            ).encoded(type: type)
        case .delta: return DiscoveryRequest.delta(DeltaRequest(nonce: response.nonce)).encoded(type: type)
        }
    }

    // MARK: New clients

    /// The time from connecting a new client to its first response; nil if none comes in time.
    static func firstAnswer(from victim: Victim, within limit: Duration) async -> Duration? {
        let start = ContinuousClock.now
        guard await addresses(of: service.rawValue, from: victim, within: limit) != nil else { return nil }
        return ContinuousClock.now - start
    }

    /// The addresses of a service that a new client receives; nil if none come in time.
    static func addresses(of name: String, from victim: Victim, within limit: Duration) async -> [String]? {
        await firstResult(within: limit) {
            guard let channel = try? victim.channel() else { return nil }
            let method = Method.of(.clusterLoadAssignment, .sotw)
            let stream = await channel.open(method.path)
            let node = Node(id: "new", cluster: "home", userAgent: Node.envoyAgent)
            await stream.send(
                DiscoveryRequest.sotw(SotWRequest(names: [ResourceName(rawValue: name)]))
                    .encoded(type: TypeURL.clusterLoadAssignment.rawValue, node: node))
            var addresses: [String]?
            do {
                for try await message in stream.messages {
                    let resources = try DecodedResponse(message, method.variant).resources
                    let assignments = try resources.map { try DecodedAssignment($0.content) }
                    addresses = assignments.flatMap { $0.localities.flatMap(\.endpoints).map(\.address.description) }
                    break
                }
            } catch {
                // A refused stream has no response.
            }
            await stream.cancel()
            await channel.shutdown()
            return addresses
        }
    }
}
