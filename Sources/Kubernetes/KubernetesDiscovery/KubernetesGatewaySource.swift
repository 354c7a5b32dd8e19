public import Discovery
public import Intent
import KubernetesClient
public import Logging
public import MeshConfiguration
import Model
import Pacing
import Synchronization

/// Reads a cluster's gateways from its API server: addresses of LoadBalancer Services, or of nodes.
public final class KubernetesGatewaySource: EndpointSource {
    private struct State {
        /// Nil until they have been listed.
        var services: [ObjectKey: KubernetesServiceObject]?
        /// Nil until they have been listed; empty if nodes are not used.
        var nodes: [ObjectKey: KubernetesNode]?
        var failures: [String: String] = [:]
        var reportedProblems: [String] = []
    }

    private let settings: KubernetesGateways
    private let api: APIClient
    private let limits: Configuration.SourceLimits
    private let backoff: Duration
    private let state: Mutex<State>
    /// Serializes reports, so that the last report has the latest state.
    private let turns = Turns()

    /// Creates a source that connects when it runs.
    public convenience init(
        _ settings: KubernetesGateways, limits: Configuration.SourceLimits, logger: Logger
    ) {
        self.init(
            settings, limits: limits, patience: APIClient.Patience(), backoff: .milliseconds(250), logger: logger)
    }

    init(
        _ settings: KubernetesGateways,
        limits: Configuration.SourceLimits = Configuration.SourceLimits(), patience: APIClient.Patience,
        backoff: Duration, logger: Logger
    ) {
        self.limits = limits
        self.settings = settings
        self.backoff = backoff
        api = APIClient(patience: patience, logger: logger, access: settings.access.read)
        state = Mutex(State(nodes: settings.usesNodePorts ? nil : [:]))
    }

    /// Lists and watches until the task is cancelled.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        let services = Resource.services(in: settings.namespace, labelSelector: settings.labelSelector)
        await withTaskGroup { group in
            group.addTask {
                await self.follow(services, KubernetesServiceObject.self, report) {
                    $0.services
                } set: {
                    $0.services = $1
                }
            }
            if settings.usesNodePorts {
                group.addTask {
                    await self.follow(.nodes, KubernetesNode.self, report) {
                        $0.nodes
                    } set: {
                        $0.nodes = $1
                    }
                }
            }
            await group.waitForAll()
        }
        await api.shutdown()
    }

    /// Follows a resource, and reports the resulting gateways.
    private func follow<Object: KubernetesObject>(
        _ resource: Resource, _ type: Object.Type, _ report: @escaping @Sendable (SourceReport) async -> Void,
        get: @escaping @Sendable (State) -> [ObjectKey: Object]?,
        set: @escaping @Sendable (inout State, [ObjectKey: Object]?) -> Void
    ) async {
        await api.follow(resource, type, limits: ReflectorLimits(limits), firstPause: backoff) {
            event throws(APIFailure) in
            try await self.turns.take { () async throws(APIFailure) in
                var excess: APIFailure?
                let reports = self.take(event, of: resource) { state in
                    var objects = get(state)
                    switch event {
                    case .replaced(let all):
                        objects = Dictionary(all.map { ($0.metadata.key, $0) }, uniquingKeysWith: { $1 })
                    case .changed(let object):
                        if let known = objects, known[object.metadata.key] == nil, known.count >= self.limits.objects {
                            excess = .tooMuch(
                                "the API server has more than \(self.limits.objects) objects (sources.objects)")
                        } else {
                            objects?[object.metadata.key] = object
                        }
                    case .deleted(let object): objects?[object.metadata.key] = nil
                    case .confirmed, .failed: break
                    }
                    set(&state, objects)
                }
                for news in reports { await report(news) }
                if let excess { throw excess }
            }
        }
    }

    /// - Returns: the reports for the registry.
    private func take<Object>(
        _ event: Reflector<Object>.Event, of resource: Resource, _ change: (inout State) -> Void
    ) -> [SourceReport] {
        state.withLock { state -> [SourceReport] in
            let wasFailing = !state.failures.isEmpty
            state.failures[resource.plural] = nil
            change(&state)
            if case .failed(let reason) = event { state.failures[resource.plural] = reason }
            var reports: [SourceReport] = []
            let (gateways, problems) = gateways(in: state)
            if wasFailing, state.failures.isEmpty, gateways != nil { reports.append(.confirmed) }
            if let gateways { reports.append(.gateways(gateways)) }
            if problems != state.reportedProblems { reports.append(.problems(problems)) }
            state.reportedProblems = problems
            if !state.failures.isEmpty {
                let reasons = state.failures.sorted { $0.key < $1.key }.map(\.value)
                reports.append(.failure(reason: reasons.joined(separator: "; "), ofPart: true))
            }
            return reports
        }
    }

    /// The gateways, and what prevents others; nil gateways until everything has been listed.
    private func gateways(in state: State) -> (gateways: [Gateway]?, problems: [String]) {
        guard let services = state.services, let nodes = state.nodes else { return (nil, []) }
        var gateways: Set<Gateway> = []
        var problems: [String] = []
        for (key, service) in services.sorted(by: { $0.key < $1.key }) {
            guard settings.usesNodePorts || service.spec?.type == "LoadBalancer" else {
                problems.append("Service \(key) is of type \(service.spec?.type ?? "ClusterIP"), not LoadBalancer")
                continue
            }
            guard let port = service.port(settings.port) else {
                problems.append("Service \(key) has no TCP port \(settings.port); it has: \(service.portNames)")
                continue
            }
            if settings.usesNodePorts {
                guard let nodePort = port.nodePort.flatMap(UInt16.init(exactly:)), nodePort > 0 else {
                    problems.append("Service \(key) has no node port for \(settings.port)")
                    continue
                }
                for node in nodes.values {
                    if let host = node.host { gateways.insert(.address(SocketAddress(host: host, port: nodePort))) }
                }
                continue
            }
            guard let number = UInt16(exactly: port.port) else { continue }
            let ingress = service.status?.loadBalancer?.ingress ?? []
            let found = ingress.compactMap { $0.gateway(port: number) }
            if found.isEmpty { problems.append("Service \(key) has no address yet") }
            gateways.formUnion(found)
        }
        if services.isEmpty {
            problems.append("no Service in \(settings.namespace) is labelled \(settings.labelSelector)")
        }
        return (gateways.sorted(), problems)
    }
}

extension KubernetesServiceObject {
    fileprivate func port(_ wanted: PortReference) -> Port? {
        (spec?.ports ?? []).first { port in
            guard port.protocol ?? "TCP" == "TCP" else { return false }
            return switch wanted {
            case .number(let number): port.port == Int(number)
            case .name(let name): port.name == name
            }
        }
    }

    fileprivate var portNames: String {
        (spec?.ports ?? []).map { port in port.name.map { "\($0) (\(port.port))" } ?? "\(port.port)" }
            .joined(separator: ", ")
    }
}

extension KubernetesServiceObject.Ingress {
    fileprivate func gateway(port: UInt16) -> Gateway? {
        if let ip, let host = IPAddress(ip) { return .address(SocketAddress(host: host, port: port)) }
        return hostname.flatMap { DNSName($0) }.map { .name($0.description, port: port) }
    }
}

extension KubernetesNode {
    /// The address of a ready node: its external address, or else its internal one; nil if the node is not ready.
    fileprivate var host: IPAddress? {
        guard status?.conditions?.contains(where: { $0.type == "Ready" && $0.status != "True" }) != true else {
            return nil
        }
        for type in ["ExternalIP", "InternalIP"] {
            for address in status?.addresses ?? [] where address.type == type {
                if let host = IPAddress(address.address) { return host }
            }
        }
        return nil
    }
}
