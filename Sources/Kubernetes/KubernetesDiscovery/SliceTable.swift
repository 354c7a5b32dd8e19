import Discovery
import Intent
import KubernetesClient
import MeshConfiguration
import Model

/// The EndpointSlices of a cluster, and the pods of the mesh's services that result from them.
struct SliceTable: Sendable {
    fileprivate struct Endpoint: Sendable {
        var address: IPAddress
        /// The pod in `targetRef`.
        var pod: String?
        var hostname: String?
        var zone: String?
        var health: Pod.Health
    }

    fileprivate struct Slice: Sendable {
        var version: String?
        var isIPv6: Bool
        var endpoints: [Endpoint]
        /// TCP ports.
        var ports: [(name: String, number: UInt16)]
        /// Why the slice can't be used; nil if it can.
        var problem: String?
    }

    /// The Kubernetes Service of each service of the mesh.
    private(set) var services: [ServiceName: KubernetesService]
    private var names: [ObjectKey: Set<ServiceName>] = [:]
    /// Slices by Service and by their own names.
    private var slices: [ObjectKey: [String: Slice]] = [:]
    private var owners: [ObjectKey: ObjectKey] = [:]
    /// Whether to keep slices of Services that no service of the mesh maps to yet.
    private let keepsAll: Bool
    /// The number of slices and of their endpoints.
    private(set) var sliceCount = 0
    private(set) var endpointCount = 0
    /// The pods with an Istio sidecar.
    private var sidecars: Set<ObjectKey> = []
    /// The Services with slices that list a pod, and in how many; only kept if sidecars are read.
    private var listings: [ObjectKey: [ObjectKey: Int]] = [:]
    private let readsSidecars: Bool

    /// - Parameters:
    ///   - keepsAll: whether services may be added later.
    ///   - readsSidecars: whether it is told which pods have sidecars.
    init(_ services: [ServiceName: KubernetesService], keepsAll: Bool, readsSidecars: Bool = false) {
        self.readsSidecars = readsSidecars
        self.services = [:]
        self.keepsAll = keepsAll
        for (name, service) in services { map(name, to: service) }
    }

    // MARK: Slices

    /// Adds or replaces a slice.
    ///
    /// - Returns: the services whose pods may have changed.
    mutating func put(_ object: EndpointSlice) -> Set<ServiceName> {
        let key = object.metadata.key
        let name = object.metadata.labels?["kubernetes.io/service-name"]
        var changed: Set<ServiceName> = []
        let service = name.map { ObjectKey(namespace: key.namespace, name: $0) }
        if let last = owners[key], last != service { changed.formUnion(remove(object.metadata)) }
        guard let service, keepsAll || names[service] != nil else { return changed }
        if owners[key] != nil { _ = remove(object.metadata) }
        owners[key] = service
        let slice = Slice(object)
        sliceCount += 1
        endpointCount += slice.endpoints.count
        slices[service, default: [:]][key.name] = slice
        count(slice, of: service, by: 1)
        return changed.union(names[service] ?? [])
    }

    /// Removes a slice.
    ///
    /// - Returns: the services whose pods may have changed.
    mutating func remove(_ metadata: ObjectMetadata) -> Set<ServiceName> {
        guard let service = owners.removeValue(forKey: metadata.key) else { return [] }
        if let slice = slices[service]?.removeValue(forKey: metadata.key.name) {
            sliceCount -= 1
            endpointCount -= slice.endpoints.count
            count(slice, of: service, by: -1)
        }
        if slices[service]?.isEmpty == true { slices[service] = nil }
        return names[service] ?? []
    }

    /// Replaces all slices of a namespace; of all namespaces if `namespace` is nil.
    mutating func replace(in namespace: String?, with objects: [EndpointSlice]) {
        for key in owners.keys where namespace == nil || key.namespace == namespace {
            _ = remove(ObjectMetadata(name: key.name, namespace: key.namespace))
        }
        for object in objects { _ = put(object) }
    }

    /// Maps a service of the mesh to a Kubernetes Service; nil removes the service.
    mutating func map(_ name: ServiceName, to service: KubernetesService?) {
        if let last = services[name] { names[last.key]?.remove(name) }
        services[name] = service
        if let service { names[service.key, default: []].insert(name) }
    }

    // MARK: Sidecars

    /// Notes whether a pod has a sidecar.
    ///
    /// - Returns: the services whose pods may have changed.
    mutating func note(_ pod: ObjectKey, hasSidecar: Bool) -> Set<ServiceName> {
        guard hasSidecar ? sidecars.insert(pod).inserted : sidecars.remove(pod) != nil else { return [] }
        return Set((listings[pod] ?? [:]).keys.flatMap { names[$0] ?? [] })
    }

    /// Notes all pods with sidecars of a namespace; of all namespaces if `namespace` is nil.
    mutating func replaceSidecars(in namespace: String?, with pods: Set<ObjectKey>) {
        sidecars = sidecars.filter { namespace != nil && $0.namespace != namespace }.union(pods)
    }

    /// The number of pods with sidecars.
    var sidecarCount: Int { sidecars.count }

    private mutating func count(_ slice: Slice, of service: ObjectKey, by change: Int) {
        guard readsSidecars else { return }
        for case let pod? in slice.endpoints.map(\.pod) {
            let key = ObjectKey(namespace: service.namespace, name: pod)
            var counts = listings.removeValue(forKey: key) ?? [:]
            let left = (counts[service] ?? 0) + change
            counts[service] = left > 0 ? left : nil
            if !counts.isEmpty { listings[key] = counts }
        }
    }

    // MARK: Pods

    /// A service's pods, and the reasons why slices or endpoints are left out.
    func pods(of name: ServiceName) -> (pods: [Pod], problems: [String]) {
        var problems: [String] = []
        let found = endpoints(of: name) { problems.append($0) }
        return (found.map(\.pod), problems)
    }

    /// The slice of each pod.
    func origins(of name: ServiceName) -> [String: PodOrigin] {
        let namespace = services[name]?.namespace ?? ""
        return Dictionary(
            endpoints(of: name) { _ in }.map { found in
                (
                    found.pod.name,
                    PodOrigin(object: "EndpointSlice \(namespace)/\(found.slice)", version: found.version)
                )
            }, uniquingKeysWith: { first, _ in first })
    }

    private struct Found {
        var pod: Pod
        /// Whether the name is that of a Kubernetes Pod.
        var isPod: Bool
        var slice: String
        var version: String?

        init(_ endpoint: Endpoint, at address: SocketAddress, slice: String, version: String?) {
            pod = Pod(
                name: endpoint.pod ?? endpoint.hostname ?? "\(endpoint.address)", address: address, zone: endpoint.zone,
                health: endpoint.health)
            isPod = endpoint.pod != nil
            (self.slice, self.version) = (slice, version)
        }
    }

    /// The endpoints of all slices, ordered by address, each address once.
    ///
    /// An endpoint that moves between slices can be in both for a while (EndpointSlice API); the healthier entry is
    /// used.
    private func endpoints(of name: ServiceName, _ complain: (String) -> Void) -> [Found] {
        guard let service = services[name] else { return [] }
        let all = (slices[service.key] ?? [:]).sorted { $0.key < $1.key }
        for case (let slice, let problem?) in all.map({ ($0.key, $0.value.problem) }) {
            complain("EndpointSlice \(service.namespace)/\(slice) is left out: \(problem)")
        }
        let usable = all.filter { $0.value.problem == nil }
        let wantsIPv6 =
            switch service.family {
            case .ipv4: false
            case .ipv6: true
            case .any: !usable.contains { !$0.value.isIPv6 }
            }
        var found: [SocketAddress: Found] = [:]
        for (key, slice) in usable where slice.isIPv6 == wantsIPv6 && !slice.endpoints.isEmpty {
            guard let port = slice.port(service.port) else {
                complain("EndpointSlice \(service.namespace)/\(key) is left out: \(slice.portProblem(service.port))")
                continue
            }
            for endpoint in slice.endpoints {
                let address = SocketAddress(host: endpoint.address, port: port)
                if let known = found[address], known.pod.health.rank <= endpoint.health.rank { continue }
                var next = Found(endpoint, at: address, slice: key, version: slice.version)
                if let pod = endpoint.pod, sidecars.contains(ObjectKey(namespace: service.namespace, name: pod)) {
                    next.pod.metadata = .istioSidecar
                }
                found[address] = next
            }
        }
        return named(found.values, complain)
    }

    /// Makes names unique; ordered by address.
    private func named(_ found: some Collection<Found>, _ complain: (String) -> Void) -> [Found] {
        // Several endpoints may share a host name (EndpointSlice API). They are then named by their addresses.
        let owners = Dictionary(found.map { ($0.pod.name, 1) }, uniquingKeysWith: +)
        guard owners.count < found.count else { return found.sorted { $0.pod.address < $1.pod.address } }
        let named = found.map { entry in
            var entry = entry
            if !entry.isPod, owners[entry.pod.name] != 1 { entry.pod.name = "\(entry.pod.address.host)" }
            return entry
        }
        // A pod that was recreated with the same name can still be listed at its old address; the healthier entry is
        // used.
        var byName: [String: Found] = [:]
        for entry in named.sorted(by: { ($0.pod.health.rank, $0.pod.address) < ($1.pod.health.rank, $1.pod.address) }) {
            if let known = byName[entry.pod.name] {
                complain(
                    "\(entry.pod.name) is at \(known.pod.address) and at \(entry.pod.address): the second is left out")
            } else {
                byName[entry.pod.name] = entry
            }
        }
        return byName.values.sorted { $0.pod.address < $1.pod.address }
    }
}

extension KubernetesService {
    fileprivate var key: ObjectKey { ObjectKey(namespace: namespace, name: name) }
}

extension Pod.Health {
    /// A lower rank is healthier.
    fileprivate var rank: Int {
        switch self {
        case .healthy: 0
        case .draining: 1
        case .unhealthy: 2
        }
    }

    /// The health that an endpoint's conditions mean; nil for an endpoint that is gone.
    ///
    /// A missing `ready` counts as true, a missing `serving` as `ready`, a missing `terminating` as false.
    fileprivate init?(_ conditions: EndpointSlice.Conditions?) {
        let isReady = conditions?.ready ?? true
        let isServing = conditions?.serving ?? isReady
        switch (conditions?.terminating ?? false, isServing) {
        case (true, false): return nil
        case (true, true): self = .draining
        case (false, _): self = isReady ? .healthy : .unhealthy
        }
    }
}

extension SliceTable.Slice {
    fileprivate init(_ object: EndpointSlice) {
        version = object.metadata.resourceVersion
        isIPv6 = object.addressType == "IPv6"
        endpoints = []
        ports = (object.ports ?? []).compactMap { port in
            guard port.protocol ?? "TCP" == "TCP", let number = port.port.flatMap(UInt16.init(exactly:)), number > 0
            else { return nil }
            return (port.name ?? "", number)
        }
        guard ["IPv4", "IPv6"].contains(object.addressType) else {
            problem = "its addresses are of type \(object.addressType), and EDS carries IP addresses only"
            return
        }
        for endpoint in object.endpoints ?? [] {
            guard let text = endpoint.addresses?.first, let health = Pod.Health(endpoint.conditions) else { continue }
            guard let address = IPAddress(text), address.isIPv6 == isIPv6 else {
                problem = "\(text) is no \(object.addressType) address"
                return
            }
            let pod = endpoint.targetRef.flatMap { $0.kind == "Pod" ? $0.name : nil }
            endpoints.append(
                SliceTable.Endpoint(
                    address: address, pod: pod, hostname: endpoint.hostname, zone: endpoint.zone, health: health))
        }
    }

    /// The number of the selected port; nil if the slice doesn't have it.
    fileprivate func port(_ wanted: PortReference?) -> UInt16? {
        switch wanted {
        case nil: ports.count == 1 ? ports.first?.number : nil
        case .number(let number): ports.first { $0.number == number }?.number
        case .name(let name): ports.first { $0.name == name }?.number
        }
    }

    fileprivate func portProblem(_ wanted: PortReference?) -> String {
        let all = ports.map { $0.name.isEmpty ? "\($0.number)" : "\($0.name) (\($0.number))" }.joined(separator: ", ")
        guard let wanted else {
            return ports.isEmpty ? "it has no TCP port" : "it has several ports, \(all): say which by `port`"
        }
        return "it has no TCP port \(wanted); it has: \(all.isEmpty ? "none" : all)"
    }
}
