import Intent
import Model
import YAMLFile

extension IstioPublication {
    /// Reads `publish`.
    ///
    /// - Parameters:
    ///   - own: the cluster whose pods are published; if its pods come from an API server, that one is the default.
    ///   - services: the listed services; nil if others are served, too.
    init(
        _ entry: YAMLReader, own: ClusterIntent, services: Set<ServiceName>?, path: (String) -> String
    ) throws(ConfigurationError) {
        let settings = try entry.mapping("istio").required("istio", of: entry)
        let fields = try settings.mapping(
            "kubeconfig", "context", "namespace", "objects", "tls", "gateways", "hosts", "keepFor", "services")
        var access = try KubernetesAccess(fields, path: path)
        switch own.endpoints {
        case .kubernetes(let endpoints) where access.kubeconfig == nil: access = endpoints.access
        case .ballast:
            throw settings.error("\(own.name) is itself learned from another Ballast: only its own can publish it")
        case .kubernetes, .file, .directory: break
        }
        guard let label = DNSName(own.name.rawValue), label.isKubernetesLabel, label.description == own.name.rawValue
        else {
            throw settings.error(
                "needs a `cluster` whose name can be part of an object's: lower-case letters, digits and `-`")
        }
        self.init(
            access: access, namespace: try fields.required("namespace", of: settings).kubernetesName(),
            gateways: try fields["gateways"]?.gateways() ?? [], services: [:])
        if gateways.isEmpty, own.gateways.isEmpty {
            throw settings.error("needs `gateways`, which are asked for each SNI: \(own.name) has none of its own")
        }
        switch (try fields["objects"]?.choice(ObjectKind.self) ?? .serviceEntry, fields["tls"]) {
        case (.serviceEntry, nil): if let field = fields["hosts"] { hosts = try field.template(HostTemplate.init) }
        case (.serviceEntry, let tls?): throw tls.error("is for `objects: Service`, whose gateways are asked with it")
        case (.service, let tls):
            guard let tls else { throw settings.error("needs `tls`, to ask the gateways: `objects` is Service") }
            if let field = fields["hosts"] { throw field.error("is for ServiceEntries: a Service's host is its name") }
            tunnel = try Tunnel(tls, path: path)
        }
        if let field = fields["keepFor"] {
            keepFor = try field.duration()
            guard keepFor <= .seconds(3_600) else { throw field.error("should be from 1ms to 1h") }
        }
        let list = try fields.required("services", of: settings)
        for (name, entry) in try list.entries() {
            let name = ServiceName(rawValue: name)
            guard services?.contains(name) != false else { throw entry.error("`services` has no service of this name") }
            self.services[name] = try Service(entry)
            // The longest names that slots can have; those of pods are only known later.
            if tunnel != nil, self.services[name]?.slots == nil {
                throw entry.error("needs `slots`: with `objects: Service` the number of Services is fixed")
            }
            guard let host = hosts.host(slot: "s999", of: name, in: own.name), host.isKubernetesName,
                name.rawValue == name.rawValue.lowercased(), tunnel == nil || name.rawValue.utf8.count <= 50
            else {
                throw entry.error("the name of a published service should be lower-case letters, digits, `-` and `.`")
            }
        }
        let labels = Set(self.services.keys.map { $0.rawValue.replacing(".", with: "-") })
        guard tunnel == nil || labels.count == self.services.count else {
            throw list.error("two services differ in `.` and `-` only: their Services would have the same names")
        }
        guard !self.services.isEmpty else { throw list.error("is empty: list the services to publish") }
    }
}

/// The kinds of objects that stand for pods.
private enum ObjectKind: String, CaseIterable {
    case serviceEntry = "ServiceEntry"
    case service = "Service"
}

extension IstioPublication.Tunnel {
    fileprivate init(_ entry: YAMLReader, path: (String) -> String) throws(ConfigurationError) {
        let fields = try entry.mapping("certificate", "key", "ca")
        self.init(
            certificate: path(try fields.required("certificate", of: entry).text()),
            key: path(try fields.required("key", of: entry).text()),
            ca: path(try fields.required("ca", of: entry).text()))
    }
}

extension IstioPublication.Service {
    fileprivate init(_ entry: YAMLReader) throws(ConfigurationError) {
        let fields = try entry.mapping("port", "slots", "serviceAccount")
        self.init(
            port: UInt16(try fields.required("port", of: entry).integer(in: 1...65_535)))
        slots = try fields["slots"]?.integer(in: 1...1_000)
        serviceAccount = try fields["serviceAccount"]?.kubernetesName()
    }
}

extension DNSName {
    /// Whether Kubernetes accepts the name as an object's.
    fileprivate var isKubernetesName: Bool { !description.contains("_") }
    /// Whether Kubernetes accepts the name as one label of an object's name.
    fileprivate var isKubernetesLabel: Bool { isKubernetesName && !description.contains(".") }
}
