import Intent
import Model
import YAMLFile

/// Reads clusters, services and exports from a configuration.
///
/// Collects errors, to report as many as possible at once.
struct MeshReader {
    private let root: YAMLReader
    private let fields: [String: YAMLReader]
    /// Resolves a path in the file relative to its directory.
    let path: (String) -> String
    private var own = ClusterName(rawValue: "")
    private(set) var clusterNames: Set<ClusterName> = []
    private var clusterEntries: [(key: String, value: YAMLReader)] = []
    private var clusters: [ClusterIntent] = []
    private var services: [ServiceIntent] = []
    private var template: (value: ServiceTemplate, entry: YAMLReader)?
    /// The service that each resource name belongs to.
    private var resourceOwners: [String: String] = [:]
    private(set) var weightOrigins: [ServiceName: [ClusterName: FieldOrigin]] = [:]
    /// The errors found so far.
    var errors: [ConfigurationError] = []

    init(_ root: YAMLReader, _ fields: [String: YAMLReader], path: @escaping (String) -> String) {
        self.root = root
        self.fields = fields
        self.path = path
    }

    /// Reads `cluster`, `guard` and `clusters`.
    mutating func readClusters() throws(ConfigurationError) {
        let ownField = try fields.required("cluster", of: root)
        own = ClusterName(rawValue: try ownField.text())
        clusterEntries = try fields.required("clusters", of: root).entries()
        clusterNames = Set(clusterEntries.map { ClusterName(rawValue: $0.key) })
        var shrinkGuard: ShrinkGuard? = ShrinkGuard()
        if let entry = fields["guard"] { shrinkGuard = try entry.shrinkGuard(template: shrinkGuard) }
        for (name, entry) in clusterEntries {
            do throws(ConfigurationError) {
                clusters.append(
                    try ClusterIntent(
                        ClusterName(rawValue: name), entry, own: own, shrinkGuard: shrinkGuard, path: path))
            } catch {
                errors.append(error)
            }
        }
        guard clusterNames.contains(own) else {
            let known = clusterNames.sorted().map(\.rawValue).joined(separator: ", ")
            throw ownField.error("`clusters` has no cluster of this name; it has: \(known)")
        }
    }

    /// Reads `envoy` and `services`.
    mutating func readServices() throws(ConfigurationError) {
        var client = ClientSettings()
        if let entry = fields["envoy"] { client = try ClientSettings(entry, template: client) }
        let gatewayListeners = Set(clusters.flatMap(\.listeners))
        // A name in lower case, and an SNI, belong to one service.
        var (takenNames, takenSNIs): (Set<String>, Set<DNSName>) = ([], [])
        for (name, entry) in try fields.required("services", of: root).entries() {
            guard name != "*" else {
                template = (try ServiceTemplate(entry, clusters: clusterNames, client: client), entry)
                continue
            }
            let service: ServiceIntent
            do throws(ConfigurationError) {
                service = try ServiceIntent(ServiceName(rawValue: name), entry, clusters: clusterNames, client: client)
            } catch {
                errors.append(error)
                continue
            }
            if let sni = service.service.sni, !takenSNIs.insert(sni).inserted {
                throw entry.error("the SNI \(sni) is another service's already; a gateway couldn't tell them apart")
            }
            guard takenNames.insert(name.lowercased()).inserted else {
                throw entry.error("another service's name differs only in case, which SNIs don't show")
            }
            if let resource = service.resources.first(where: gatewayListeners.contains) {
                throw entry.error("the resource \(resource) would have the name of the way to a cluster's gateways")
            }
            for resource in service.resources {
                if let owner = resourceOwners.updateValue(name, forKey: resource) {
                    throw entry.error(
                        "the resource \(resource) is \(owner)'s already; a resource belongs to one service")
                }
            }
            services.append(service)
            weightOrigins[service.service.name] = try entry.weightOrigins()
        }
    }

    /// Checks that gateways can distinguish services and pods, and that `*` doesn't assign names that are taken.
    func checkNames() throws(ConfigurationError) {
        try checkSharedNames()
        for service in services {
            guard let sni = service.service.sni else { continue }
            try checkReserved(sni, of: service.service.name)
        }
        try checkSNIsAgainstPods()
        try checkTemplate()
    }

    /// Checks that services differ in the names by which gateways select them: SNIs, and the names that gRPC clients
    /// call.
    private func checkSharedNames() throws(ConfigurationError) {
        var owners: [String: ServiceName] = [:]
        for service in services {
            let name = service.service.name
            let names = [service.service.sni?.description] + service.resources.map { DNSName($0)?.description }
            for shared in Set(names.compactMap(\.self)) {
                if let other = owners.updateValue(name, forKey: shared) {
                    throw root.error(
                        """
                        services.\(name): gateways can't tell it from \(other): both have \(shared), as `sni` or among \
                        `resources`
                        """)
                }
            }
        }
    }

    /// Checks that an SNI isn't the default of another service or of a pod.
    private func checkReserved(_ sni: DNSName, of name: ServiceName) throws(ConfigurationError) {
        let text = sni.description
        guard
            let cluster = clusters.first(where: { text.hasSuffix(".\($0.name.rawValue.lowercased()).ballast") }),
            Service(name: name).sni(at: cluster.cluster(gateways: []))?.description != text
        else { return }
        throw root.error(
            "services.\(name).sni: \(text) could be another service's or a pod's, by their defaults in \(cluster.name)")
    }

    /// Checks that no service's SNI can be the SNI that a template gives a pod.
    private func checkSNIsAgainstPods() throws(ConfigurationError) {
        let index = SNITemplate.ServiceIndex(services.map(\.service.name))
        for service in services {
            guard let sni = service.service.sni else { continue }
            for cluster in clusters {
                guard case .pods(let template) = cluster.reach,
                    let other = index.service(sharing: sni, by: template, in: cluster.name)
                else { continue }
                throw root.error(
                    "services.\(service.service.name).sni: \(sni) could also be a pod's of \(other) in \(cluster.name)")
            }
        }
    }

    /// Checks that `*` doesn't assign taken names to the unlisted services that sources are configured to deliver.
    private func checkTemplate() throws(ConfigurationError) {
        guard let template else { return }
        let gatewayListeners = Set(clusters.flatMap(\.listeners))
        let listed = Set(services.map(\.service.name))
        for name in Set(clusters.flatMap(\.endpoints.services)).subtracting(listed).sorted() {
            for resource in template.value.served(as: name).resources {
                let owner =
                    resourceOwners[resource].map { "a resource of \($0)" }
                    ?? (gatewayListeners.contains(resource) ? "the name of the way to a cluster's gateways" : nil)
                guard let owner else { continue }
                throw template.entry.error(
                    "would serve \(name) as \(resource), which is \(owner); list \(name) with other `resources`")
            }
        }
    }

    /// Checks that `reach: connect` is used with TLS only.
    ///
    /// Before 1.40, Envoy's CONNECT socket sends plaintext requests to the proxy unchanged.
    func checkProxies() throws(ConfigurationError) {
        guard let proxied = clusters.first(where: { $0.name != own && $0.reach.kind == .connect }) else { return }
        let isPlain = { (service: Service) in service.client.tls == nil }
        let plain = services.first { isPlain($0.service) }?.service.name.rawValue
        let isTemplatePlain = template.map { isPlain($0.value.service) } ?? false
        guard let plain = plain ?? (isTemplatePlain ? "*" : nil) else { return }
        let entry = clusterEntries.first { $0.key == proxied.name.rawValue }?.value ?? root
        throw entry.error(
            "`reach: connect` needs TLS to the pods, and services.\(plain) has none: set `envoy.tls`, or another reach")
    }

    /// The mesh that was read.
    ///
    /// - Parameter clientCA: the authorities that sign other Ballasts' certificates; exports need them.
    func mesh(exportsTo clientCA: String?) throws(ConfigurationError) -> MeshIntent {
        var mesh = MeshIntent(
            cluster: own, clusters: clusters.sorted { $0.name < $1.name },
            services: services.sorted { $0.service.name < $1.service.name }, template: template?.value,
            exports: try exports(to: clientCA))
        if let entry = fields["publish"], let cluster = mesh[own] {
            let listed = Set(services.map(\.service.name))
            mesh.publication = try IstioPublication(
                entry, own: cluster, services: template == nil ? listed : nil, path: path)
        }
        return mesh
    }

    private func exports(to clientCA: String?) throws(ConfigurationError) -> [Export] {
        guard let entry = fields["export"] else { return [] }
        guard clientCA != nil else {
            throw entry.error("needs `xds.tls.clientCA`, the authorities for the other Ballasts' certificates")
        }
        // Only pods of this cluster's own sources are exported, so exports can't loop.
        if let source = clusters.first(where: { $0.name == own }), case .ballast = source.endpoints {
            throw entry.error("\(own) is itself learned from another Ballast: only its own can export it")
        }
        return try entry.exports(of: Set(services.map(\.service.name)))
    }
}
