import Intent
import Model
import YAMLFile

extension EndpointsSettings {
    /// The kinds of source, as `endpoints` names them.
    enum Kind: String, CaseIterable {
        case file, directory, kubernetes, ballast
    }

    /// Reads `endpoints`, which has exactly one kind of source.
    init(
        _ entry: YAMLReader, cluster: ClusterName, own: ClusterName, path: (String) -> String
    ) throws(ConfigurationError) {
        let kinds = Kind.allCases.map(\.rawValue)
        let fields = try entry.mapping(kinds)
        guard let (name, value) = fields.first, let kind = Kind(rawValue: name), fields.count == 1 else {
            throw entry.error("should have exactly one of: \(kinds.joined(separator: ", "))")
        }
        switch kind {
        case .file: self = .file(path(try value.text()))
        case .directory: self = .directory(path(try value.text()))
        case .kubernetes: self = .kubernetes(try KubernetesEndpoints(value, path: path))
        case .ballast: self = .ballast(try BallastPeer(value, cluster: cluster, importer: own, path: path))
        }
    }
}

extension GatewaysSettings {
    /// Reads `gateways`: a list, or a Kubernetes source.
    ///
    /// - Parameter endpoints: the cluster's pod source, whose API server is used if `gateways` doesn't name one.
    init(
        _ entry: YAMLReader?, endpoints: EndpointsSettings, path: (String) -> String
    ) throws(ConfigurationError) {
        guard let entry else {
            if case .ballast = endpoints { self = .exported } else { self = .listed([]) }
            return
        }
        guard entry.isMapping else {
            self = .listed(try entry.gateways())
            return
        }
        let settings = try entry.mapping("kubernetes").required("kubernetes", of: entry)
        let fields = try settings.mapping(
            "kubeconfig", "context", "namespace", "labelSelector", "port", "nodePorts")
        var access = try KubernetesAccess(fields, path: path)
        if access.kubeconfig == nil, case .kubernetes(let endpoints) = endpoints { access = endpoints.access }
        self = .kubernetes(
            KubernetesGateways(
                access: access,
                namespace: try fields.required("namespace", of: settings).kubernetesName(),
                labelSelector: try fields.required("labelSelector", of: settings).text(),
                port: try fields.required("port", of: settings).port(),
                usesNodePorts: try fields["nodePorts"]?.flag() ?? false
            ))
    }
}

extension KubernetesAccess {
    /// Reads `kubeconfig` and `context`.
    init(_ fields: [String: YAMLReader], path: (String) -> String) throws(ConfigurationError) {
        let kubeconfig = try fields["kubeconfig"]?.text()
        self.init(kubeconfig: kubeconfig.map(path), context: try fields["context"]?.text())
        if kubeconfig == nil, let field = fields["context"] {
            throw field.error("belongs to a `kubeconfig`, and there is none here")
        }
    }
}

extension KubernetesEndpoints {
    fileprivate init(_ entry: YAMLReader, path: (String) -> String) throws(ConfigurationError) {
        let fields = try entry.mapping(
            "kubeconfig", "context", "namespaces", "services", "export", "ipFamily", "sidecars")
        self.init(
            access: try KubernetesAccess(fields, path: path), namespaces: [], services: [:],
            includesExported: try fields["export"]?.flag() ?? false,
            family: try fields["ipFamily"]?.choice(IPFamily.self) ?? .any)
        readsSidecars = try fields["sidecars"]?.flag() ?? false
        for namespace in try fields["namespaces"]?.list() ?? [] {
            let name = try namespace.kubernetesName()
            guard !namespaces.contains(name) else { throw namespace.error("the same namespace twice") }
            namespaces.append(name)
        }
        for (name, entry) in try fields["services"]?.entries() ?? [] {
            services[ServiceName(rawValue: name)] = try service(name, entry)
        }
        guard includesExported || !services.isEmpty else {
            throw entry.error("takes no service: list some under `services`, or set `export: true`")
        }
        // Watching single namespaces needs fewer rights than watching all.
        if namespaces.isEmpty, !includesExported { namespaces = Set(services.values.map(\.namespace)).sorted() }
    }

    private func service(_ name: String, _ entry: YAMLReader) throws(ConfigurationError) -> KubernetesService {
        let fields = try entry.mapping("namespace", "name", "port", "ipFamily")
        let namespace = try fields.required("namespace", of: entry)
        let service = KubernetesService(
            namespace: try namespace.kubernetesName(), name: try fields["name"]?.kubernetesName() ?? name,
            port: try fields["port"]?.port(), family: try fields["ipFamily"]?.choice(IPFamily.self) ?? family)
        guard namespaces.isEmpty || namespaces.contains(service.namespace) else {
            throw namespace.error("`namespaces` doesn't have it, so it would not be watched")
        }
        return service
    }
}

extension BallastPeer {
    fileprivate init(
        _ entry: YAMLReader, cluster: ClusterName, importer: ClusterName, path: (String) -> String
    ) throws(ConfigurationError) {
        let fields = try entry.mapping("address", "tls", "cluster", "services", "addresses")
        let otherName = try fields["cluster"]?.text()
        let gateway = try fields.required("address", of: entry).value(
            "should be a host name or an IP address, and a port, such as ballast.west.example:18000", Gateway.init(_:))
        let host =
            switch gateway {
            case .address(let address): address.host.description
            case .name(let name, _): name
            }
        let settings = try fields.required("tls", of: entry)
        let files = try settings.mapping("certificate", "key", "ca", "serverName")
        self.init(
            importer: importer, cluster: otherName.map(ClusterName.init(rawValue:)) ?? cluster,
            services: try fields.required("services", of: entry).serviceNames(), addresses: [],
            address: gateway.description,
            tls: PeerTLS(
                certificate: path(try files.required("certificate", of: settings).text()),
                key: path(try files.required("key", of: settings).text()),
                ca: path(try files.required("ca", of: settings).text()),
                serverName: try files["serverName"]?.text() ?? host))
        for item in try fields["addresses"]?.list() ?? [] { addresses.insert(try item.choice(UnusualAddress.self)) }
    }
}

extension YAMLReader {
    /// Reads `export`: which peers may import which services.
    ///
    /// - Parameter services: the listed services.
    func exports(of services: Set<ServiceName>) throws(ConfigurationError) -> [Export] {
        var exports: [Export] = []
        for (peer, settings) in try entries() {
            let fields = try settings.mapping("identity", "services")
            let list = try fields.required("services", of: settings)
            exports.append(
                Export(
                    peer: peer, identity: try fields.required("identity", of: settings).identity(),
                    services: try list.serviceNames(among: services)))
        }
        return exports.sorted { $0.peer < $1.peer }
    }

    /// Reads a list of services; nil for all (`*`).
    ///
    /// - Parameter known: the services that exist; nil to accept any name.
    fileprivate func serviceNames(among known: Set<ServiceName>? = nil) throws(ConfigurationError) -> Set<ServiceName>?
    {
        var names: Set<ServiceName>? = []
        for item in try list() {
            let name = ServiceName(rawValue: try item.text())
            if name == "*" {
                names = nil
            } else {
                guard known?.contains(name) != false else { throw item.error("`services` has no service of this name") }
                names?.insert(name)
            }
        }
        return names
    }

    /// Reads a list of gateways, which is not empty.
    func gateways() throws(ConfigurationError) -> [Gateway] {
        var gateways: [Gateway] = []
        for entry in try list() {
            let gateway = try entry.value(
                "should be an IP address or a host name, and a port, such as 127.0.0.1:15443", Gateway.init(_:))
            guard !gateways.contains(gateway) else { throw entry.error("the same gateway twice") }
            gateways.append(gateway)
        }
        guard !gateways.isEmpty else {
            throw error("is empty: leave `gateways` out where pods are reached directly")
        }
        return gateways
    }

    fileprivate func port() throws(ConfigurationError) -> PortReference {
        try value("should be a port's name, or its number from 1 to 65535", PortReference.init(_:))
    }

    func kubernetesName() throws(ConfigurationError) -> String {
        try value("should be a name as Kubernetes has them: lower-case letters, digits, `-` and `.`") { text in
            guard let name = DNSName(text), name.description == text, !text.contains("_") else { return nil }
            return text
        }
    }
}
