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
    /// The limits on what runs at once, and on what is reported.
    enum Most {
        static let probes = 64
        static let writes = 8
        static let problems = 20
    }

    /// How long a start waits for the gateways' answers before it reports without them.
    private static let patience = Duration.seconds(10)
    /// How long a stop waits for the API server.
    private static let farewell = Duration.seconds(2)

    private struct Probing {
        var task: Task<Void, Never>?
        var next: ContinuousClock.Instant
        var epoch: Int
        var backoff = Backoff(first: .milliseconds(50), longest: .seconds(2))
    }

    struct Failure {
        var reason: String
        var next: ContinuousClock.Instant
        var backoff = Backoff(first: .milliseconds(500), longest: .seconds(30))
    }

    let objects: SlotObjects
    let api: APIClient
    let lease: WriterLease
    private let limits: ReflectorLimits
    let logger: Logger
    /// Steps that follow each other closely are one.
    private let steps = Debounce(quiet: .milliseconds(5), longest: .milliseconds(50), clock: ContinuousClock())
    var table: SlotTable
    private var wanted: WantedPods?
    /// Nil until the Gateways were listed.
    var passthrough: AutoPassthrough?
    private var gateways: [ObjectKey: IstioGatewayObject] = [:]
    var isKnown = false
    private var probing: [Slot: Probing] = [:]
    var writing: [Slot: Task<Void, Never>] = [:]
    var failures: [Slot: Failure] = [:]
    /// Why a watch or the Lease fails, by resource.
    private var troubles: [String: String] = [:]
    private var timer: Task<Void, Never>?
    private var reported: PublicationState?
    private let start = ContinuousClock.now

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
        api = APIClient(for: publication, logger: logger)
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
            group.addTask { await self.steps.forEach { await self.step(report) } }
            await group.waitForAll()
        }
        timer?.cancel()
        for task in probing.values.compactMap(\.task) + writing.values { task.cancel() }
        await leave()
    }

    /// Gives the Lease up, and closes the connections; an API server that hangs delays a stop a little only.
    private func leave() async {
        // Requests of a task that is cancelled are not sent.
        await Task { [lease, api] in
            await withTaskGroup { group in
                group.addTask { await lease.release(by: api) }
                group.addTask { try? await Task.sleep(for: Self.farewell) }
                await group.next()
                group.cancelAll()
            }
            await api.shutdown()
        }.value
    }

    func signal() { steps.signal() }

    private func receive(_ next: WantedPods) {
        guard next != wanted else { return }
        wanted = next
        table.replaceGateways(next.gateways)
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
        case .changed(let gateway): gateways[gateway.metadata.key] = gateway
        case .deleted(let gateway): gateways[gateway.metadata.key] = nil
        case .confirmed, .failed: return signal()
        }
        passthrough = AutoPassthrough(gateways.values)
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

    private func step(_ report: @Sendable (PublicationState) -> Void) {
        let now = ContinuousClock.now
        var wakes = [updateReadiness(at: now)].compactMap(\.self) + startProbes(at: now)
        if isKnown { table.verifyGateways() }
        wakes += startWrites(at: now)
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
        guard table.isComplete || now >= listed + Self.patience else { return listed + Self.patience }
        let trusted = table.trustAdopted()
        if !trusted.isEmpty {
            logger.warning(
                "the gateways have not answered; slots are announced as before", metadata: ["count": "\(trusted.count)"]
            )
        }
        table.verifyGateways(all: true)
        isKnown = true
        return nil
    }

    // MARK: Probes

    /// - Returns: when the next probes are due.
    private func startProbes(at now: ContinuousClock.Instant) -> [ContinuousClock.Instant] {
        // Slots with pods come first, and of these the ones that have waited longest.
        let questions = table.questions(at: now).sorted { left, right in
            guard left.hasPod == right.hasPod else { return left.hasPod }
            return (probing[left.slot]?.next ?? start, left.slot) < (probing[right.slot]?.next ?? start, right.slot)
        }
        let slots = Set(questions.map(\.slot))
        probing = probing.filter { $0.value.task != nil || slots.contains($0.key) }
        var running = probing.values.count { $0.task != nil }
        var wakes: [ContinuousClock.Instant] = []
        for question in questions {
            var entry = probing[question.slot] ?? Probing(next: now, epoch: question.epoch)
            guard entry.task == nil else { continue }
            if entry.epoch != question.epoch { entry = Probing(next: now, epoch: question.epoch) }
            if entry.next > now {
                wakes.append(entry.next)
            } else if running < Most.probes, let probe = objects.probe(of: question.slot, hasPod: question.hasPod) {
                running += 1
                entry.task = Task { await self.ask(question, probe) }
            }
            probing[question.slot] = entry
        }
        return wakes
    }

    private func ask(_ question: SlotTable.Question, _ probe: SlotProbe) async {
        await withTaskGroup { group in
            for gateway in question.gateways { group.addTask { (gateway, await probe.run(at: gateway)) } }
            for await (gateway, answer) in group { table.note(answer, of: gateway, to: question) }
        }
        if var entry = probing[question.slot] {
            entry.task = nil
            // For a pod that clients have, a gateway that is away is asked rarely.
            entry.next = .now + entry.backoff.next(longest: question.isAnnounced ? .seconds(30) : nil)
            probing[question.slot] = entry
        }
        signal()
    }

    // MARK: State

    private var state: PublicationState {
        var state = PublicationState()
        state.published = PublishedPods(services: [:], isKnown: isKnown)
        // If other gateways are asked than clients are told, nothing is known of the latter.
        if isKnown, objects.publication.gateways.isEmpty { state.published.gateways = table.verifiedGateways }
        for service in objects.publication.services.keys {
            state.published.services[service] = table.announced(service).compactMapValues { table.entries[$0]?.sni }
        }
        state.slots = table.status
        state.writer = lease.holder
        state.isWriter = lease.isHeld(at: .now)
        state.gateways = wanted?.gateways ?? []
        state.usesTunnels = objects.publication.tunnel != nil
        var problems = table.problems(at: .now) + troubles.values.sorted() + failures.values.map(\.reason).sorted()
        if let passthrough {
            for service in objects.publication.services.keys.sorted() {
                let slot = Slot(service: service, name: "s0")
                guard let host = objects.host(of: slot),
                    let problem = passthrough.problem(with: host, in: objects.publication.namespace)
                else { continue }
                let isWritten = table.entries.keys.contains { $0.service == service }
                problems.append(
                    isWritten
                        ? "the gateway may take no changes now, and \(service) gets no new ServiceEntries: \(problem)"
                        : "\(service) gets no ServiceEntries: \(problem)")
            }
        }
        for gateway in wanted?.gateways ?? [] where isKnown && !table.verifiedGateways.contains(gateway) {
            problems.append("gateway \(gateway) is not announced, because it doesn't lead to every pod yet")
        }
        if problems.count > Most.problems {
            problems = problems.prefix(Most.problems) + ["and \(problems.count - Most.problems) problems more"]
        }
        state.problems = Set(problems.map { "publish.istio: \($0)" })
        return state
    }
}
