import Model
import YAMLFile

extension Configuration.Endpoints {
    /// Reads `endpoints`: exactly one of its kinds.
    init(
        _ entry: YAMLReader, cluster: ClusterName, own: ClusterName, path: (String) -> String
    ) throws(ConfigurationError) {
        let fields = try entry.mapping("file", "kubernetes", "ballast")
        guard let kind = fields.first, fields.count == 1 else {
            throw entry.error("should have exactly one of: file, kubernetes, ballast")
        }
        switch kind.key {
        case "file": self = .file(path(try kind.value.text()))
        case "kubernetes": self = .kubernetes(try Configuration.KubernetesEndpoints(kind.value, path: path))
        default:
            self = .ballast(try Configuration.BallastPeer(kind.value, cluster: cluster, importer: own, path: path))
        }
    }
}

extension Configuration.KubernetesAccess {
    init(_ fields: [String: YAMLReader], path: (String) -> String) throws(ConfigurationError) {
        kubeconfig = try fields["kubeconfig"]?.text()
        kubeconfig = kubeconfig.map(path)
        context = try fields["context"]?.text()
        if kubeconfig == nil, let field = fields["context"] {
            throw field.error("belongs to a `kubeconfig`, and there is none here")
        }
    }
}

extension Configuration.KubernetesEndpoints {
    init(_ entry: YAMLReader, path: (String) -> String) throws(ConfigurationError) {
        let fields = try entry.mapping("kubeconfig", "context", "namespaces", "services", "export", "ipFamily")
        access = try Configuration.KubernetesAccess(fields, path: path)
        namespaces = []
        for namespace in try fields["namespaces"]?.list() ?? [] {
            let name = try namespace.kubernetesName()
            guard !namespaces.contains(name) else { throw namespace.error("the same namespace twice") }
            namespaces.append(name)
        }
        family = try fields["ipFamily"]?.choice(Configuration.IPFamily.self) ?? .any
        services = [:]
        for (name, service) in try fields["services"]?.entries() ?? [] {
            let fields = try service.mapping("namespace", "name", "port", "ipFamily")
            let namespace = try fields.required("namespace", of: service)
            let found = Configuration.KubernetesService(
                namespace: try namespace.kubernetesName(), name: try fields["name"]?.kubernetesName() ?? name,
                port: try fields["port"]?.port(),
                family: try fields["ipFamily"]?.choice(Configuration.IPFamily.self) ?? family
            )
            guard namespaces.isEmpty || namespaces.contains(found.namespace) else {
                throw namespace.error("`namespaces` doesn't have it, so it would not be watched")
            }
            services[ServiceName(rawValue: name)] = found
        }
        takesExported = try fields["export"]?.flag() ?? false
        guard takesExported || !services.isEmpty else {
            throw entry.error("takes no service: list some under `services`, or set `export: true`")
        }
        // Watching one namespace takes fewer rights than watching all.
        if namespaces.isEmpty, !takesExported { namespaces = Set(services.values.map(\.namespace)).sorted() }
    }
}

extension Configuration.Gateways {
    /// Reads `gateways`: a list, or where Kubernetes has them.
    ///
    /// - Parameter access: of the cluster's endpoints, for gateways that say nothing else.
    init(
        _ entry: YAMLReader?, endpoints: Configuration.Endpoints, path: (String) -> String
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
        var access = try Configuration.KubernetesAccess(fields, path: path)
        if access.kubeconfig == nil, case .kubernetes(let endpoints) = endpoints { access = endpoints.access }
        self = .kubernetes(
            Configuration.KubernetesGateways(
                access: access,
                namespace: try fields.required("namespace", of: settings).kubernetesName(),
                labelSelector: try fields.required("labelSelector", of: settings).text(),
                port: try fields.required("port", of: settings).port(),
                usesNodePorts: try fields["nodePorts"]?.flag() ?? false
            ))
    }
}

extension Configuration.BallastPeer {
    init(
        _ entry: YAMLReader, cluster: ClusterName, importer: ClusterName, path: (String) -> String
    ) throws(ConfigurationError) {
        self.importer = importer
        let fields = try entry.mapping("address", "tls", "cluster", "services", "addresses")
        let otherName = try fields["cluster"]?.text()
        self.cluster = otherName.map(ClusterName.init(rawValue:)) ?? cluster
        services = []
        for item in try fields.required("services", of: entry).list() {
            let name = try item.text()
            if name == "*" { services = nil } else { services?.insert(ServiceName(rawValue: name)) }
        }
        addresses = []
        for item in try fields["addresses"]?.list() ?? [] {
            addresses.insert(try item.choice(Configuration.UnusualAddress.self))
        }
        let gateway = try fields.required("address", of: entry).value(
            "should be a host name or an IP address, and a port, such as ballast.west.example:18000", Gateway.init(_:))
        address = gateway.description
        let host =
            switch gateway {
            case .address(let address): address.host.description
            case .name(let name, _): name
            }
        let settings = try fields.required("tls", of: entry)
        let files = try settings.mapping("certificate", "key", "ca", "serverName")
        tls = Configuration.PeerTLS(
            certificate: path(try files.required("certificate", of: settings).text()),
            key: path(try files.required("key", of: settings).text()),
            ca: path(try files.required("ca", of: settings).text()),
            serverName: try files["serverName"]?.text() ?? host
        )
    }
}

extension Configuration.Export {
    /// Reads `export`: who may import which services.
    static func all(
        _ entry: YAMLReader, services: Set<ServiceName>
    ) throws(ConfigurationError) -> [Configuration.Export] {
        var exports: [Configuration.Export] = []
        for (peer, settings) in try entry.entries() {
            let fields = try settings.mapping("identity", "services")
            var export = Configuration.Export(
                peer: peer, identity: try fields.required("identity", of: settings).identity(), services: [])
            let list = try fields.required("services", of: settings)
            for item in try list.list() {
                let name = try item.text()
                if name == "*" {
                    export.services = nil
                } else {
                    guard services.contains(ServiceName(rawValue: name)) else {
                        throw item.error("`services` has no service of this name")
                    }
                    export.services?.insert(ServiceName(rawValue: name))
                }
            }
            exports.append(export)
        }
        return exports.sorted { $0.peer < $1.peer }
    }
}

extension Configuration.DNS {
    /// Reads `dns`.
    init(_ entry: YAMLReader) throws(ConfigurationError) {
        self.init()
        let fields = try entry.mapping("servers", "shortest", "longest", "ipFamily")
        for server in try fields["servers"]?.list() ?? [] {
            servers.append(
                try server.value("should be a name server's IP address, with a port unless that is 53") { text in
                    IPAddress(text).map { SocketAddress(host: $0, port: 53) } ?? SocketAddress(text)
                })
        }
        if let field = fields["shortest"] { shortest = try field.duration() }
        if let field = fields["longest"] { longest = try field.duration() }
        if let field = fields["ipFamily"] { family = try field.choice(Configuration.IPFamily.self) }
        guard shortest <= longest else {
            throw entry.error("`shortest` (\(shortest)) should not be longer than `longest` (\(longest))")
        }
    }
}

extension Configuration.ServiceTemplate {
    /// Reads the service `*`.
    init(_ entry: YAMLReader, clusters: Set<ClusterName>, client: ClientSettings) throws(ConfigurationError) {
        let served = try Configuration.ServedService(name: "{service}", entry, clusters: clusters, client: client)
        guard served.service.sni == nil else {
            throw entry.error("`sni` is one service's own, and `*` stands for many")
        }
        if let resource = served.resources.first(where: { !$0.contains("{service}") }) {
            throw entry.error("the resource \(resource) would be every service's: put {service} into it")
        }
        service = served.service
        resources = served.resources
    }
}

extension Configuration.ShrinkGuard {
    /// Reads `guard`; nil for `off`.
    static func reading(
        _ entry: YAMLReader, template: Configuration.ShrinkGuard?
    ) throws(ConfigurationError) -> Configuration.ShrinkGuard? {
        guard entry.isMapping else {
            let isOn = try entry.value("should be on, off, or a mapping of share, from, holdFor and pace") {
                YAMLReader.truths[$0.lowercased()]
            }
            return isOn ? template ?? Configuration.ShrinkGuard() : nil
        }
        var settings = template ?? Configuration.ShrinkGuard()
        let fields = try entry.mapping("share", "from", "holdFor", "pace")
        if let share = fields["share"] {
            settings.share = try share.value("should be a number from 0 to 1: the share that may go at once") {
                Double($0).flatMap { (0...1).contains($0) ? $0 : nil }
            }
        }
        if let from = fields["from"] { settings.from = try from.integer(in: 1...1_000_000) }
        if let holdFor = fields["holdFor"] { settings.holdFor = try holdFor.duration() }
        if let pace = fields["pace"] { settings.pace = try pace.duration() }
        return settings
    }
}

extension YAMLReader {
    /// Gateways as they are written.
    fileprivate func gateways() throws(ConfigurationError) -> [Gateway] {
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

    fileprivate func port() throws(ConfigurationError) -> Configuration.PortReference {
        try value("should be a port's name, or its number from 1 to 65535", Configuration.PortReference.init(_:))
    }

    fileprivate func kubernetesName() throws(ConfigurationError) -> String {
        try value("should be a name as Kubernetes has them: lower-case letters, digits, `-` and `.`") { text in
            guard let name = DNSName(text), name.description == text, !text.contains("_") else { return nil }
            return text
        }
    }
}
