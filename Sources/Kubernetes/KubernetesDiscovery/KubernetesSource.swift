public import Discovery
public import Intent
import KubernetesClient
public import Logging
public import MeshConfiguration
public import Model
import Pacing
import Synchronization
public import YAMLFile

/// Reads a cluster's pods from the EndpointSlices of its API server.
public final class KubernetesSource: EndpointSource {
    /// The label of Services that are imported without being listed in the configuration.
    static let exportLabel = "ballast.dev/export=true"
    /// The annotation that selects the port of such a Service, by name or number.
    static let portAnnotation = "ballast.dev/port"

    /// One watch: the EndpointSlices, Services or pods of one namespace, or of all if `namespace` is nil.
    enum Part: Hashable, Comparable {
        case slices(namespace: String?)
        case services(namespace: String?)
        case sidecars(namespace: String?)

        private var order: (kind: Int, namespace: String) {
            switch self {
            case .slices(let namespace): (0, namespace ?? "")
            case .services(let namespace): (1, namespace ?? "")
            case .sidecars(let namespace): (2, namespace ?? "")
            }
        }

        static func < (left: Part, right: Part) -> Bool { left.order < right.order }
    }

    struct State {
        var table: SliceTable
        /// The parts that have not been listed yet.
        var missing: Set<Part>
        var failures: [Part: String] = [:]
        /// Problems by service, so that fixed ones can be removed.
        var problems: [ServiceName: [String]] = [:]
        /// Problems with the annotations of exported Services.
        var exportProblems: [ObjectKey: String] = [:]
        var reportedProblems: [String] = []
        /// Which limit the last event exceeded; nil if none.
        var excess: String?
        /// Services with changes that have not been reported yet.
        var changed: Set<ServiceName> = []
    }

    let settings: KubernetesEndpoints
    /// One client, and so one connection, for every `APIClient.maxRequests` watches.
    private let clients: [APIClient]
    private let limits: Configuration.SourceLimits
    private let backoff: Duration
    let state: Mutex<State>
    /// Serializes reports, so that the last report has the latest state.
    ///
    /// At most two callers wait for each watch: one with an event, and one that reports the event overdue.
    private let turns = Turns()
    /// Collects changes in quick succession, because reporting a service costs in proportion to its pods.
    private let gathering = Debounce(quiet: .milliseconds(5), longest: .milliseconds(50), clock: ContinuousClock())
    private let logger: Logger

    /// Creates a source that connects when it runs.
    public convenience init(
        _ settings: KubernetesEndpoints, limits: Configuration.SourceLimits, logger: Logger
    ) {
        self.init(
            settings, limits: limits, patience: APIClient.Patience(), backoff: .milliseconds(250), logger: logger)
    }

    /// Checks that a kubeconfig and its certificates can be used, without connecting.
    public static func check(_ access: KubernetesAccess) throws(ConfigurationError) {
        guard let file = access.kubeconfig else { return }
        let read = try access.read()
        do {
            try read.check()
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError(
                file: file, message: "the client certificate and key can't be used, do they belong together? (\(error))"
            )
        }
    }

    init(
        _ settings: KubernetesEndpoints,
        limits: Configuration.SourceLimits = Configuration.SourceLimits(), patience: APIClient.Patience,
        backoff: Duration, logger: Logger
    ) {
        self.settings = settings
        self.limits = limits
        self.backoff = backoff
        self.logger = logger
        let namespaces = Self.namespaces(settings)
        let watches = namespaces.count * (1 + (settings.includesExported ? 1 : 0) + (settings.readsSidecars ? 1 : 0))
        clients = stride(from: 0, to: watches, by: APIClient.maxRequests).map { _ in
            APIClient(patience: patience, logger: logger, access: settings.access.read)
        }
        state = Mutex(
            State(
                table: SliceTable(
                    settings.services, keepsAll: settings.includesExported, readsSidecars: settings.readsSidecars),
                missing: Set(
                    namespaces.map { .slices(namespace: $0) }
                        + (settings.includesExported ? namespaces.map { .services(namespace: $0) } : [])
                        + (settings.readsSidecars ? namespaces.map { .sidecars(namespace: $0) } : []))))
    }

    private static func namespaces(_ settings: KubernetesEndpoints) -> [String?] {
        settings.namespaces.isEmpty ? [nil] : settings.namespaces
    }

    /// An event, with its resource and namespace.
    private enum Input: Sendable {
        case slices(Reflector<EndpointSlice>.Event, namespace: String?)
        case services(Reflector<KubernetesServiceObject>.Event, namespace: String?)
        case sidecars(Reflector<KubernetesPod>.Event, namespace: String?)
    }

    /// Lists and watches until the task is cancelled.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await withTaskGroup { group in
            group.addTask {
                await self.gathering.forEach { await self.turns.take { await self.reportChanges(report) } }
            }
            var watches = 0
            let nextClient = {
                defer { watches += 1 }
                return self.clients[watches / APIClient.maxRequests]
            }
            for namespace in Self.namespaces(settings) {
                let client = nextClient()
                group.addTask {
                    let slices = Resource.endpointSlices(in: namespace)
                    await client.follow(
                        slices, EndpointSlice.self, limits: ReflectorLimits(self.limits), firstPause: self.backoff
                    ) {
                        event throws(APIFailure) in
                        try await self.receive(.slices(event, namespace: namespace), report)
                    }
                }
                if settings.readsSidecars {
                    let other = nextClient()
                    group.addTask {
                        await other.follow(
                            .sidecars(in: namespace), KubernetesPod.self,
                            limits: ReflectorLimits(bytes: self.limits.bytes, objects: self.limits.endpoints),
                            firstPause: self.backoff
                        ) { event throws(APIFailure) in
                            try await self.receive(.sidecars(event, namespace: namespace), report)
                        }
                    }
                }
                guard settings.includesExported else { continue }
                let other = nextClient()
                group.addTask {
                    let services = Resource.services(in: namespace, labelSelector: Self.exportLabel)
                    await other.follow(
                        services, KubernetesServiceObject.self, limits: ReflectorLimits(self.limits),
                        firstPause: self.backoff
                    ) { event throws(APIFailure) in
                        try await self.receive(.services(event, namespace: namespace), report)
                    }
                }
            }
            await group.waitForAll()
        }
        for client in clients { await client.shutdown() }
    }

    /// The EndpointSlice of each pod.
    public func origins(of service: ServiceName) async -> [String: PodOrigin] {
        state.withLock { $0.table.origins(of: service) }
    }

    /// What an event changed.
    enum Change {
        case everything
        case services(Set<ServiceName>)
        case nothing
    }

    private func receive(
        _ input: Input, _ report: @Sendable (SourceReport) async -> Void
    ) async throws(APIFailure) {
        try await turns.take { () async throws(APIFailure) in
            await apply(input, report)
            if let excess = state.withLock({ $0.excess.take() }) { throw APIFailure.tooMuch(excess) }
        }
    }

    private func apply(_ input: Input, _ report: @Sendable (SourceReport) async -> Void) async {
        let change: Change
        switch input {
        case .slices(let event, let namespace):
            change = apply(event, in: namespace)
            note(event, of: .slices(namespace: namespace))
        case .services(let event, let namespace):
            change = apply(event, in: namespace)
            note(event, of: .services(namespace: namespace))
        case .sidecars(let event, let namespace):
            change = apply(event, in: namespace)
            note(event, of: .sidecars(namespace: namespace))
        }
        if case .services(let names) = change, !names.isEmpty {
            state.withLock { $0.changed.formUnion(names) }
            gathering.signal()
        } else {
            await reportChanges(report)
            await send(change, report)
        }
    }

    /// Reports what has changed since the last call.
    private func reportChanges(_ report: @Sendable (SourceReport) async -> Void) async {
        let names = state.withLock { state in
            defer { state.changed = [] }
            return state.changed
        }
        if !names.isEmpty { await send(.services(names), report) }
    }

    /// Records whether a part is known and current.
    private func note<Object>(_ event: Reflector<Object>.Event, of part: Part) {
        state.withLock { state in
            state.failures[part] = nil
            switch event {
            case .failed(let reason): state.failures[part] = reason
            case .replaced:
                // For slices, `apply` removes the part, unless the list exceeds the limits.
                if case .slices = part { break }
                state.missing.remove(part)
            case .changed, .deleted, .confirmed: break
            }
        }
    }

    private func send(_ change: Change, _ report: @Sendable (SourceReport) async -> Void) async {
        let (isComplete, failures) = state.withLock { ($0.missing.isEmpty, $0.failures) }
        if isComplete {
            switch change {
            case .everything: await report(.pods(pods(of: nil)))
            case .services(let names) where !names.isEmpty: await send(names, report)
            case .services, .nothing: break
            }
            if failures.isEmpty { await report(.confirmed) }
            await reportProblems(report)
        }
        // Everything known has been reported by now; the failure marks it as possibly out of date.
        guard !failures.isEmpty else { return }
        await report(
            .failure(
                reason: failures.sorted { $0.key < $1.key }.map(\.value).joined(separator: "; "), ofPart: true))
    }

    /// Reports the pods of these services.
    ///
    /// If a service has problems, such as a missing port or host names instead of addresses, missing pods are reported
    /// without evidence that they are gone.
    private func send(_ names: Set<ServiceName>, _ report: @Sendable (SourceReport) async -> Void) async {
        let pods = pods(of: names)
        let troubled = state.withLock { Set($0.problems.keys) }
        let changed = Dictionary(
            uniqueKeysWithValues: pods.map { name, pods in
                (name, SourceUpdate.ServicePods(pods, troubled.contains(name) ? .none : .deletes))
            })
        await report(.update(SourceUpdate(pods: .changed(changed))))
    }

    private func reportProblems(_ report: @Sendable (SourceReport) async -> Void) async {
        let news: [String]? = state.withLock { state in
            let problems = Set(state.problems.values.joined()).union(state.exportProblems.values).sorted()
            guard problems != state.reportedProblems else { return nil }
            state.reportedProblems = problems
            return problems
        }
        if let news { await report(.problems(news)) }
    }

    /// The pods of these services; of all services if `names` is nil.
    private func pods(of names: Set<ServiceName>?) -> [ServiceName: [Pod]] {
        state.withLock { state in
            var pods: [ServiceName: [Pod]] = [:]
            for name in names ?? Set(state.table.services.keys) {
                let (found, problems) = state.table.pods(of: name)
                pods[name] = found
                state.problems[name] = problems.isEmpty ? nil : problems
            }
            return pods
        }
    }

    // MARK: EndpointSlices

    private func apply(_ event: Reflector<EndpointSlice>.Event, in namespace: String?) -> Change {
        state.withLock { state in
            switch event {
            case .replaced(let slices):
                // If the new list exceeds the limits, the known slices stay.
                var next = state.table
                next.replace(in: namespace, with: slices)
                state.excess = excess(of: next)
                guard state.excess == nil else { return .nothing }
                state.table = next
                state.missing.remove(.slices(namespace: namespace))
                return .everything
            case .changed(let slice):
                let services = state.table.put(slice)
                state.excess = excess(of: state.table)
                // If the table exceeds the limits, the slices are listed again, and nothing is reported before.
                return state.excess == nil ? .services(services) : .nothing
            case .deleted(let slice): return .services(state.table.remove(slice.metadata))
            case .confirmed, .failed: return .nothing
            }
        }
    }

    /// Which limit a table exceeds, as a sentence; nil if none.
    func excess(of table: SliceTable) -> String? {
        if table.endpointCount > limits.endpoints {
            return "the API server has more than \(limits.endpoints) endpoints (sources.endpoints)"
        }
        if table.sidecarCount > limits.endpoints {
            return "the API server has more than \(limits.endpoints) pods with sidecars (sources.endpoints)"
        }
        return table.sliceCount > limits.objects
            ? "the API server has more than \(limits.objects) EndpointSlices (sources.objects)" : nil
    }
}

extension KubernetesAccess {
    /// Reads the address of the API server and the credentials for it.
    @Sendable func read() throws(ConfigurationError) -> APIAccess {
        try APIAccess(kubeconfig: kubeconfig, context: context)
    }
}

extension ReflectorLimits {
    init(_ limits: Configuration.SourceLimits) { self.init(bytes: limits.bytes, objects: limits.objects) }
}
