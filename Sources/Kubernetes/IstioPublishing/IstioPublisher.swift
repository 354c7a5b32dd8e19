import NIOCore
import YAMLFile
import Foundation
public import Intent
import KubernetesClient
public import Logging
public import MeshConfiguration
public import Model
import Pacing
public import Snapshots

/// Publishes this cluster's pods by objects of their own, and reports which of them the gateways lead to.
///
/// Every replica follows the objects and asks the gateways; the holder of a Lease writes.
public actor IstioPublisher: PodPublisher {
    /// The limits on the work of one step.
    private enum Most {
        static let probes = 16
        static let writes = 8
        static let problems = 20
    }

    /// How long a start waits for the gateways' answers before it reports without them.
    private static let patience = Duration.seconds(10)

    private struct Probing {
        var task: Task<Void, Never>?
        var next: ContinuousClock.Instant
        var backoff = Backoff(first: .milliseconds(50), longest: .seconds(2))
        var endpoint: Model.SocketAddress?
    }

    private struct Failure {
        var reason: String
        var next: ContinuousClock.Instant
        var backoff = Backoff(first: .milliseconds(500), longest: .seconds(30))
    }

    private let objects: SlotObjects
    private let api: APIClient
    private let lease: WriterLease
    private let limits: ReflectorLimits
    private let logger: Logger
    private let signals = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private var table: SlotTable
    private var wanted: WantedPods?
    /// Nil until the Gateways were listed.
    private var passthrough: AutoPassthrough?
    private var gateways: [ObjectKey: IstioGatewayObject] = [:]
    private var isKnown = false
    private var probing: [Slot: Probing] = [:]
    private var failures: [Slot: Failure] = [:]
    /// Why a watch or the Lease fails, by resource.
    private var troubles: [String: String] = [:]
    private var timer: Task<Void, Never>?
    private var reported: PublicationState?

    /// Creates a publisher that connects when it runs.
    ///
    /// - Parameter cluster: the cluster whose pods it publishes.
    public init(
        _ publication: IstioPublication, of cluster: ClusterName, limits: Configuration.SourceLimits, logger: Logger
    ) {
        self.limits = ReflectorLimits(bytes: limits.bytes, objects: limits.objects)
        objects = SlotObjects(publication: publication, cluster: cluster)
        table = SlotTable(objects)
        self.logger = logger
        let access = publication.access
        api = APIClient(patience: .init(head: .seconds(10)), logger: logger) { () throws(ConfigurationError) in
            try APIAccess(kubeconfig: access.kubeconfig, context: access.context)
        }
        let identity = "\(ProcessInfo.processInfo.hostName)_\(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
        lease = WriterLease(in: publication.namespace, name: "ballast-\(cluster)", identity: identity)
    }

    /// Follows, writes and probes until the task is cancelled.
    public func run(
        _ wanted: AsyncStream<WantedPods>, report: @escaping @Sendable (PublicationState) -> Void
    ) async {
        await withTaskGroup { group in
            group.addTask { for await next in wanted { await self.receive(next) } }
            group.addTask { await self.followObjects() }
            group.addTask { await self.followGateways() }
            group.addTask { await self.keepLease() }
            group.addTask { for await _ in self.signals.stream { await self.step(report) } }
            await group.waitForAll()
        }
        timer?.cancel()
        for probe in probing.values { probe.task?.cancel() }
        // Requests of a task that is cancelled are not sent.
        await Task { [lease, api] in
            await lease.release(by: api)
            await api.shutdown()
        }.value
    }

    private func signal() { signals.continuation.yield() }

    private func receive(_ next: WantedPods) {
        guard next != wanted else { return }
        if next.gateways != wanted?.gateways { probing = probing.filter { $0.value.task != nil } }
        wanted = next
        table.replacePods(next.pods, isSynced: next.isSynced, at: .now)
        signal()
    }

    // MARK: Watches

    private func followObjects() async {
        let resource = objects.resource
        if objects.publication.tunnel != nil {
            await api.follow(resource, PodSlice.self, limits: limits) { await self.receive($0, SlotObject.init) }
        } else {
            await api.follow(resource, ServiceEntry.self, limits: limits) { await self.receive($0, SlotObject.init) }
        }
    }

    private func receive<Object>(_ event: Reflector<Object>.Event, _ read: @Sendable (Object) -> SlotObject) {
        note(event, of: objects.resource)
        switch event {
        case .replaced(let all): table.replace(with: all.map(read), at: .now)
        case .changed(let object): table.note(read(object), at: .now)
        case .deleted(let object): table.remove(read(object))
        case .confirmed, .failed: break
        }
        signal()
    }

    private func followGateways() async {
        // No Gateway decides about Services.
        guard objects.publication.tunnel == nil else {
            passthrough = AutoPassthrough.any
            return
        }
        await api.follow(.istioGateways, IstioGatewayObject.self, limits: limits) { event in
            await self.receive(event)
        }
    }

    private func receive(_ event: Reflector<IstioGatewayObject>.Event) {
        note(event, of: .istioGateways)
        switch event {
        case .replaced(let all):
            gateways = Dictionary(all.map { ($0.metadata.key, $0) }, uniquingKeysWith: { $1 })
            passthrough = AutoPassthrough(gateways.values)
        case .changed(let gateway): gateways[gateway.metadata.key] = gateway
        case .deleted(let gateway): gateways[gateway.metadata.key] = nil
        case .confirmed, .failed: break
        }
        if passthrough != nil { passthrough = AutoPassthrough(gateways.values) }
        signal()
    }

    private func note<Object>(_ event: Reflector<Object>.Event, of resource: Resource) {
        if case .failed(let reason) = event {
            troubles[resource.plural] = "\(resource.description) can't be followed: \(reason)"
        } else {
            troubles[resource.plural] = nil
        }
    }

    private func keepLease() async {
        while !Task.isCancelled {
            do throws(APIFailure) {
                try await lease.renew(by: api)
                troubles["leases"] = nil
            } catch .conflict {
                // Another replica was faster.
                troubles["leases"] = nil
            } catch {
                troubles["leases"] = "the Lease of the writer can't be renewed: \(error)"
            }
            signal()
            try? await Task.sleep(for: WriterLease.interval)
        }
    }

    // MARK: Steps

    private func step(_ report: @Sendable (PublicationState) -> Void) async {
        var wakes: [ContinuousClock.Instant] = []
        if let wake = updateReadiness(at: .now) { wakes.append(wake) }
        wakes += startProbes(at: .now)
        wakes += await write(at: .now)
        let state = state
        if state != reported {
            reported = state
            report(state)
        }
        timer?.cancel()
        timer = wakes.min().map { time in
            Task {
                guard (try? await ContinuousClock().sleep(until: time)) != nil else { return }
                self.signal()
            }
        }
    }

    /// - Returns: when to look again.
    private func updateReadiness(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard !isKnown, let listed = table.listed, wanted != nil else { return nil }
        guard !table.isComplete, now < listed + Self.patience else {
            for slot in table.trustAdopted() {
                logger.warning(
                    "no gateway can be asked; the slot is announced as it was before", metadata: ["slot": "\(slot)"])
            }
            isKnown = true
            return nil
        }
        return listed + Self.patience
    }

    // MARK: Probes

    /// - Returns: when the next probes are due.
    private func startProbes(at now: ContinuousClock.Instant) -> [ContinuousClock.Instant] {
        guard let addresses = wanted?.gateways else { return [] }
        let due = table.unanswered(at: now).sorted { $0.slot < $1.slot }
        let slots = Set(due.map(\.slot))
        probing = probing.filter { $0.value.task != nil || slots.contains($0.key) }
        var running = probing.values.count { $0.task != nil }
        var wakes: [ContinuousClock.Instant] = []
        for (slot, endpoint) in due {
            var entry = probing[slot] ?? Probing(next: now, endpoint: endpoint)
            guard entry.task == nil else { continue }
            if entry.endpoint != endpoint { entry = Probing(next: now, endpoint: endpoint) }
            if entry.next <= now, running < Most.probes,
                let probe = objects.probe(of: slot, at: addresses, hasPod: endpoint != nil)
            {
                running += 1
                entry.task = Task { self.finish(slot, endpoint, await probe.run()) }
            } else if entry.next > now {
                wakes.append(entry.next)
            }
            probing[slot] = entry
        }
        return wakes
    }

    private func finish(_ slot: Slot, _ endpoint: Model.SocketAddress?, _ answer: SlotTable.Answer) {
        table.note(answer, for: slot, while: endpoint)
        if var entry = probing[slot] {
            entry.task = nil
            entry.next = .now + entry.backoff.next()
            probing[slot] = entry
        }
        signal()
    }

    // MARK: Writes

    /// - Returns: when to write again.
    private func write(at now: ContinuousClock.Instant) async -> [ContinuousClock.Instant] {
        guard let passthrough, lease.isHeld(at: now) else { return [] }
        let (all, next) = table.writes(at: now)
        let slots = Set(all.map(\.slot))
        failures = failures.filter { slots.contains($0.key) }
        var writes: [SlotTable.Write] = []
        for write in all where failures[write.slot].map({ $0.next <= now }) ?? true {
            if case .put(_, _, version: nil) = write.action, let host = objects.host(of: write.slot),
                passthrough.problem(with: host, in: objects.publication.namespace) != nil
            {
                continue
            }
            writes.append(write)
        }
        var rest = writes[...]
        await withTaskGroup { group in
            for write in rest.prefix(Most.writes) { group.addTask { await self.perform(write) } }
            rest = rest.dropFirst(Most.writes)
            for await _ in group {
                if let write = rest.popFirst() { group.addTask { await self.perform(write) } }
            }
        }
        return [next].compactMap(\.self) + failures.values.map(\.next)
    }

    private func perform(_ write: SlotTable.Write) async {
        // A replica that was stopped for a while may have lost the Lease.
        guard lease.isHeld(at: .now) else { return }
        let name = objects.name(of: write.slot)
        let what = "\(objects.resource.plural) \(objects.publication.namespace)/\(name)"
        do {
            switch write.action {
            case .put(let content, _, let version):
                let services = Resource.podServices(in: objects.publication.namespace)
                if let service = try objects.service(of: write.slot) {
                    try await api.apply(service, to: services, name: name, manager: SlotObjects.manager)
                }
                let answer = try await api.apply(
                    try objects.body(write.slot, content, version: version), to: objects.resource, name: name,
                    manager: SlotObjects.manager)
                table.note(try objects.object(answer), at: .now)
            case .delete(let uid):
                try await api.delete(objects.resource, name: name, uid: uid)
                if objects.publication.tunnel != nil { try await deleteService(name) }
            }
            failures[write.slot] = nil
            logger.info(
                "a slot was written",
                metadata: [
                    "object": "\(what)", "reason": "\(write.reason)",
                    "endpoint": "\(table.entries[write.slot]?.endpoint?.description ?? "none")",
                ])
        } catch {
            var failure = failures[write.slot] ?? Failure(reason: "", next: .now)
            failure.reason = "\(what) can't be written: \(error)"
            failure.next = .now + failure.backoff.next()
            failures[write.slot] = failure
        }
        signal()
    }

    /// Deletes the Service of a slot, if Ballast made it.
    private func deleteService(_ name: String) async throws {
        struct Found: Decodable { var metadata: ObjectMetadata }
        let services = Resource.podServices(in: objects.publication.namespace)
        let found = try JSONDecoder().decode(Found.self, from: try await api.read(services, name: name)).metadata
        guard found.labels?[SlotObjects.managerLabel] == SlotObjects.manager,
            found.labels?[SlotObjects.clusterLabel] == objects.cluster.rawValue, let uid = found.uid
        else { return }
        try await api.delete(services, name: name, uid: uid)
    }

    // MARK: State

    private var state: PublicationState {
        var state = PublicationState()
        state.published = PublishedPods(services: [:], isKnown: isKnown)
        for service in objects.publication.services.keys {
            state.published.services[service] = table.announced(service).compactMapValues(objects.sni(of:))
        }
        state.slots = table.status
        state.writer = lease.holder
        state.isWriter = lease.isHeld(at: .now)
        state.gateways = wanted?.gateways ?? []
        var problems = table.problems(at: .now) + troubles.values.sorted() + failures.values.map(\.reason).sorted()
        if let passthrough {
            for service in objects.publication.services.keys.sorted() {
                let slot = Slot(service: service, name: "s0")
                guard let host = objects.host(of: slot),
                    let problem = passthrough.problem(with: host, in: objects.publication.namespace)
                else { continue }
                problems.append("\(service) gets no new ServiceEntries: \(problem)")
            }
        }
        if problems.count > Most.problems {
            problems = problems.prefix(Most.problems) + ["and \(problems.count - Most.problems) problems more"]
        }
        state.problems = Set(problems.map { "publish.istio: \($0)" })
        return state
    }
}
