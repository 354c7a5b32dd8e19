import EnvoyAPI
import Synchronization
import XDS

/// Clients that do anything that clients may do, at random: subscribe, unsubscribe, NACK, stall, reset and reconnect.
///
/// In the end they behave normally, and must hold the current resources.
public final class RandomClients: Sendable {
    private let address: String
    private let names: [ResourceName]
    private let clients: [RandomClient]

    /// - Parameters:
    ///   - address: the server's IP address and port.
    ///   - names: the names of its services.
    public init(count: Int, address: String, names: [String]) {
        self.address = address
        let names = names.map(ResourceName.init(rawValue:))
        self.names = names
        clients = (0..<count).map { RandomClient(Form.all[$0 % Form.all.count], address: address, names: names) }
    }

    /// Runs all clients until the task is cancelled.
    public func run() async {
        await withTaskGroup { group in for client in clients { group.addTask { await client.misbehave() } } }
    }

    /// Waits until every client holds the same resources as a new client.
    ///
    /// - Returns: a line for each client that doesn't.
    public func check(within limit: Duration) async throws -> [String] {
        var expected: [ResourceName: [UInt8]] = [:]
        let probe = try Probe(address, Form(variant: .sotw, isAggregated: true), .envoy)
        await probe.subscribe(.clusterLoadAssignment, names)
        while expected.count < names.count {
            let response = try await probe.take(.clusterLoadAssignment)
            for (name, resource) in zip(response.names, response.resources) { expected[name] = resource.content }
        }
        await probe.close()
        let final = expected
        return await withTaskGroup(of: String?.self) { group in
            for client in clients { group.addTask { await client.settle(on: final, within: limit) } }
            return await group.reduce(into: []) { if let line = $1 { $0.append(line) } }
        }
    }

    /// The number of actions by name.
    public var counts: [String: Int] {
        get async {
            var counts: [String: Int] = [:]
            for client in clients { counts.merge(await client.counts, uniquingKeysWith: +) }
            return counts
        }
    }
}

private actor RandomClient {
    private let form: Form
    private let address: String
    private let names: [ResourceName]
    private var probe: Probe?
    private var wanted: Set<ResourceName> = []
    private var held: [ResourceName: [UInt8]] = [:]
    private(set) var counts: [String: Int] = [:]

    init(_ form: Form, address: String, names: [ResourceName]) {
        self.form = form
        self.address = address
        self.names = names
    }

    func misbehave() async {
        while !Task.isCancelled {
            do {
                try await act()
            } catch is CancellationError {
                return
            } catch {
                await reset("broken")
            }
        }
    }

    private func act() async throws {
        let probe = try await connected()
        switch Int.random(in: 0..<100) {
        case 0..<15:
            let more = names.filter { _ in Int.random(in: 0..<8) == 0 } + (Int.random(in: 0..<4) == 0 ? ["absent"] : [])
            guard !more.isEmpty else { return }
            count("subscribe")
            // A newly requested resource counts as not held. A SotW request can't ask again for a name that is already
            // subscribed.
            for name in more where form.variant == .delta || !wanted.contains(name) { held[name] = nil }
            wanted.formUnion(more)
            await probe.subscribe(.clusterLoadAssignment, more)
        case 15..<25:
            let less = wanted.filter { _ in Bool.random() }
            guard !less.isEmpty else { return }
            count("unsubscribe")
            for name in less { held[name] = nil }
            wanted.subtract(less)
            await probe.unsubscribe(.clusterLoadAssignment, less.sorted())
        case 25..<85: try await read(probe, refusing: Int.random(in: 0..<5) == 0)
        case 85..<95:
            count("stall")
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...2_000)))
        case 95..<97: await reset("reset")
        default: try await Task.sleep(for: .milliseconds(Int.random(in: 1...200)))
        }
    }

    private func connected() async throws -> Probe {
        if let probe { return probe }
        let new = try Probe(address, form, Bool.random() ? .envoy : .grpc)
        probe = new
        held = [:]
        if !wanted.isEmpty { await new.subscribe(.clusterLoadAssignment, wanted.sorted()) }
        return new
    }

    private func reset(_ what: String) async {
        count(what)
        await probe?.close()
        probe = nil
    }

    /// ACKs or NACKs the next response, if one arrives soon.
    private func read(_ probe: Probe, refusing: Bool) async throws {
        let response: DecodedResponse
        do {
            response = try await probe.next(within: .milliseconds(50))
        } catch is Violation {
            return
        }
        if refusing {
            count("refuse")
            return await probe.reject(response)
        }
        count("take")
        for (name, resource) in zip(response.names, response.resources) where wanted.contains(name) {
            held[name] = resource.content
        }
        await probe.acknowledge(response)
    }

    func settle(on expected: [ResourceName: [UInt8]], within limit: Duration) async -> String? {
        let end = ContinuousClock.now + limit
        var reason = "it never connected"
        while ContinuousClock.now < end {
            do {
                try await read(connected(), refusing: false)
                let wrong = wanted.filter { expected[$0] != nil && held[$0] != expected[$0] }
                if wrong.isEmpty { return nil }
                reason = "does not hold \(wrong.sorted().prefix(5)) as served, of \(wanted.count) names"
            } catch {
                reason = "\(error)"
                await reset("broken")
            }
        }
        return "\(form): \(reason)"
    }

    private func count(_ what: String) { counts[what, default: 0] += 1 }
}
