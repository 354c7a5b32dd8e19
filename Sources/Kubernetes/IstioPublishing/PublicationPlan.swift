import NIOCore
public import Intent
import KubernetesClient
public import Logging
public import MeshConfiguration
public import Model
import YAMLFile

/// What a publisher would write, given these pods and what the API server has now.
public struct PublicationPlan: Sendable, Encodable {
    /// A change of an object.
    public struct Write: Hashable, Sendable, Encodable {
        /// `create`, `edit` or `delete`.
        public var action: String
        /// `NAMESPACE/NAME` of the object.
        public var object: String
        /// Its host; nil for one that is deleted.
        public var host: String?
        /// The pod's address; nil for none.
        public var endpoint: String?
        /// Why.
        public var reason: String
    }

    /// The changes, ordered by service and slot.
    public private(set) var writes: [Write] = []
    /// What would not be written, and why; one sentence each.
    public private(set) var problems: [String] = []

    /// Reads ServiceEntries and Gateways, and computes what would be written.
    ///
    /// Gateways are not asked: an empty slot counts as free.
    public init(
        _ publication: IstioPublication, of cluster: ClusterName, pods: [ServiceName: [Pod]],
        limits: Configuration.SourceLimits, logger: Logger
    ) async throws {
        let api = APIClient(for: publication, logger: logger)
        let objects = SlotObjects(publication: publication, cluster: cluster)
        let found: [SlotObject]
        let passthrough: AutoPassthrough
        do {
            if publication.tunnel != nil {
                found = try await (api.list(objects.resource, limits) as [PodSlice]).map(SlotObject.init)
                passthrough = .any
            } else {
                found = try await (api.list(objects.resource, limits) as [ServiceEntry]).map(SlotObject.init)
                passthrough = AutoPassthrough(try await api.list(.istioGateways, limits) as [IstioGatewayObject])
            }
        } catch {
            await api.shutdown()
            throw error
        }
        await api.shutdown()
        let now = ContinuousClock.now
        var table = SlotTable(objects)
        table.replacePods(pods, isSynced: true, at: now)
        table.replace(with: found, at: now)
        // Stands for a gateway that leads nowhere, so that empty slots are free.
        guard let gateway = SocketAddress("192.0.2.1:1") else { preconditionFailure("it is an address") }
        table.replaceGateways([gateway])
        for question in table.questions(at: now) where !question.hasPod {
            table.note(.reset("not asked"), of: gateway, to: question)
        }
        problems = table.problems(at: now)
        let all = table.writes(at: now + SlotTable.withdrawal).writes
        for write in all.sorted(by: { $0.slot < $1.slot }) {
            let object = "\(publication.namespace)/\(objects.name(of: write.slot))"
            switch write.action {
            case .delete: writes.append(Write(action: "delete", object: object, reason: write.reason))
            case .put(_, let endpoint, let version):
                if let problem = passthrough.problem(with: write, of: objects) {
                    problems.append("\(object) would not be written: \(problem)")
                    continue
                }
                writes.append(
                    Write(
                        action: version == nil ? "create" : "edit", object: object,
                        host: objects.host(of: write.slot)?.description,
                        endpoint: endpoint?.description, reason: write.reason))
            }
        }
    }
}

extension APIClient {
    /// Creates a client of a publication's API server; it waits less for answers than a source does.
    init(for publication: IstioPublication, logger: Logger) {
        let access = publication.access
        self.init(patience: .init(head: .seconds(10)), logger: logger) { () throws(ConfigurationError) in
            try APIAccess(kubeconfig: access.kubeconfig, context: access.context)
        }
    }

    /// Lists the objects of a resource once.
    fileprivate nonisolated func list<Object: KubernetesObject>(
        _ resource: Resource, _ limits: Configuration.SourceLimits
    ) async throws -> [Object] {
        let events = AsyncStream.makeStream(of: Reflector<Object>.Event.self, bufferingPolicy: .bufferingOldest(1))
        let following = Task {
            await self.follow(
                resource, Object.self, limits: ReflectorLimits(bytes: limits.bytes, objects: limits.objects)
            ) { events.continuation.yield($0) }
        }
        defer { following.cancel() }
        for await event in events.stream {
            switch event {
            case .replaced(let all): return all
            case .failed(let reason): throw APIFailure.broken("\(resource.description): \(reason)")
            case .changed, .deleted, .confirmed: break
            }
        }
        throw CancellationError()
    }
}
