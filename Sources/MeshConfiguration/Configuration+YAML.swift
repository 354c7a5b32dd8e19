import Foundation
import Model
import XXHash
public import YAMLFile

extension Configuration {
    /// Reads a configuration file.
    ///
    /// Paths in it count from its directory.
    public init(path: String) throws(ConfigurationError) { try self.init(text: TextFile.read(path), file: path) }

    /// Reads a configuration file's text; `file` is for errors, and its directory for relative paths.
    public init(text: String, file: String) throws(ConfigurationError) {
        let root = try YAMLReader(text: text, file: file)
        let fields = try root.mapping(
            "cluster", "xds", "admin", "state", "guard", "dns", "envoy", "sources", "clusters", "services",
            "export")
        let directory = URL(fileURLWithPath: file).deletingLastPathComponent()
        let path = { (text: String) in URL(fileURLWithPath: text, relativeTo: directory).path }

        let ownField = try fields.required("cluster", of: root)
        cluster = ClusterName(rawValue: try ownField.text())
        let clusterEntries = try fields.required("clusters", of: root).entries()
        var clusters: [ClusterSource] = []
        var shrinkGuard: ShrinkGuard? = ShrinkGuard()
        if let entry = fields["guard"] { shrinkGuard = try ShrinkGuard.reading(entry, template: shrinkGuard) }
        // As many errors as can be found at once.
        var errors: [ConfigurationError] = []
        for (name, entry) in clusterEntries {
            do throws(ConfigurationError) {
                clusters.append(
                    try ClusterSource(
                        name: name, entry, own: cluster, shrinkGuard: shrinkGuard, path: path))
            } catch {
                errors.append(error)
            }
        }
        let names = Set(clusterEntries.map { ClusterName(rawValue: $0.0) })

        guard names.contains(cluster) else {
            throw ownField.error(
                "`clusters` has no cluster of this name; it has: \(names.sorted().map(\.rawValue).joined(separator: ", "))"
            )
        }

        var client = ClientSettings()
        if let template = fields["envoy"] { client = try ClientSettings(template, template: client) }
        let listeners = Set(clusters.map(\.cluster.gatewayListener))
        var services: [ServedService] = []
        // Which service has a resource; the names in lower case, and the SNIs, that one has.
        var owners: [String: String] = [:]
        var (takenNames, takenSNIs): (Set<String>, Set<DNSName>) = ([], [])
        var templateEntry: YAMLReader?
        for (name, entry) in try fields.required("services", of: root).entries() {
            guard name != "*" else {
                template = try ServiceTemplate(entry, clusters: names, client: client)
                templateEntry = entry
                continue
            }
            let service: ServedService
            do throws(ConfigurationError) {
                service = try ServedService(name: name, entry, clusters: names, client: client)
            } catch {
                errors.append(error)
                continue
            }
            if let sni = service.service.sni {
                guard takenSNIs.insert(sni).inserted else {
                    throw entry.error("the SNI \(sni) is another service's already; a gateway couldn't tell them apart")
                }
            }
            guard takenNames.insert(name.lowercased()).inserted else {
                throw entry.error("another service's name differs only in case, which SNIs don't show")
            }
            if let resource = service.resources.first(where: listeners.contains) {
                throw entry.error("the resource \(resource) would have the name of the way to a cluster's gateways")
            }
            for resource in service.resources {
                if let owner = owners.updateValue(name, forKey: resource) {
                    throw entry.error(
                        "the resource \(resource) is \(owner)'s already; a resource belongs to one service")
                }
            }
            services.append(service)
        }
        let settings: (xds: XDSServer, admin: AdminServer)?
        do throws(ConfigurationError) {
            settings = (
                try XDSServer(fields["xds"], clusters: names, path: path), try AdminServer(fields["admin"], path: path)
            )
        } catch {
            settings = nil
            errors.append(error)
        }
        guard let settings, errors.isEmpty else { throw ConfigurationError(errors) }
        (xds, admin) = settings

        // What gateways tell services by: SNIs, and the names that gRPC clients call, which are theirs.
        var tellers: [String: ServiceName] = [:]
        for service in services {
            let name = service.service.name
            let sni = service.service.sni?.description
            for shared in Set([sni].compactMap(\.self) + service.resources.compactMap { DNSName($0)?.description }) {
                if let other = tellers.updateValue(name, forKey: shared) {
                    throw root.error(
                        "services.\(name): gateways can't tell it from \(other): both have \(shared), as `sni` or among `resources`"
                    )
                }
            }
            if let sni, sni.hasSuffix(".ballast"),
                let cluster = clusters.first(where: {
                    sni.hasSuffix(".\($0.cluster.name.rawValue.lowercased()).ballast")
                }),
                Service(name: name).sni(at: cluster.cluster)?.description != sni
            {
                throw root.error(
                    "services.\(name).sni: \(sni) could be another service's or a pod's, by their defaults in \(cluster.cluster.name)"
                )
            }
        }
        let index = SNITemplate.ServiceIndex(services.map(\.service.name))
        for service in services {
            guard let sni = service.service.sni else { continue }
            for cluster in clusters.map(\.cluster) {
                guard case .pods(let template) = cluster.reach,
                    let other = index.service(sharing: sni, by: template, in: cluster.name)
                else { continue }
                throw root.error(
                    "services.\(service.service.name).sni: \(sni) could also be a pod's of \(other) in \(cluster.name)"
                )
            }
        }

        // Before 1.40, Envoy's CONNECT socket sends plaintext requests to the proxy as they are.
        let ownCluster = cluster
        let proxied = clusters.first { source in
            source.cluster.name != ownCluster && source.cluster.reach.kind == .connect
        }
        if let proxied {
            let name = proxied.cluster.name
            let plain = services.first { $0.service.client.tls == nil }?.service.name.rawValue
            if let plain = plain ?? template.flatMap({ $0.service.client.tls == nil ? "*" : nil }) {
                let entry = clusterEntries.first { $0.0 == name.rawValue }?.1 ?? root
                throw entry.error(
                    "`reach: connect` needs TLS to the pods, and services.\(plain) has none: set `envoy.tls`, or another reach"
                )
            }
        }

        // Those that are known to come, and that `*` would give a name that is taken.
        if let template, let templateEntry {
            let listed = Set(services.map(\.service.name))
            for name in Set(clusters.flatMap(\.endpoints.services)).subtracting(listed).sorted() {
                for resource in template.served(as: name).resources {
                    let owner =
                        owners[resource].map { "a resource of \($0)" }
                        ?? (listeners.contains(resource) ? "the name of the way to a cluster's gateways" : nil)
                    guard let owner else { continue }
                    throw templateEntry.error(
                        "would serve \(name) as \(resource), which is \(owner); list \(name) with other `resources`")
                }
            }
        }

        if let entry = fields["dns"] { dns = try DNS(entry) }
        if let entry = fields["sources"] { sources = try SourceLimits(entry) }
        version = String(xxHash64(text), radix: 16)
        state = try fields["state"]?.text()
        state = state.map(path)
        exports = []
        let own = cluster
        if let export = fields["export"] {
            guard xds.tls?.clientCA != nil else {
                throw export.error("needs `xds.tls.clientCA`, which vouches for who the other Ballasts are")
            }
            // What is exported is this cluster's own, and learned here: so nothing can go round in circles.
            let isImported = clusters.contains { source in
                if case .ballast = source.endpoints { source.cluster.name == own } else { false }
            }
            guard !isImported else {
                throw export.error("\(own) is itself learned from another Ballast: only its own can export it")
            }
            exports = try Export.all(export, services: Set(services.map(\.service.name)))
        }
        self.clusters = clusters.sorted { $0.cluster.name < $1.cluster.name }
        self.services = services.sorted { $0.service.name < $1.service.name }
    }
}

extension Configuration.XDSServer {
    fileprivate init(
        _ entry: YAMLReader?, clusters: Set<ClusterName>, path: (String) -> String
    ) throws(ConfigurationError) {
        let fields =
            try entry?.mapping(
                "listen", "tls", "insecure", "limits", "connectionGuard", "maxConnectionAge",
                "loadReportInterval", "leds", "debounce") ?? [:]
        listen = try fields["listen"]?.listenAddress() ?? .loopback(18000)
        isInsecure = try fields["insecure"]?.flag() ?? false
        if let tls = fields["tls"] {
            let files = try tls.mapping("certificate", "key", "clientCA", "allow")
            let clientCA = try files["clientCA"]?.text()
            self.tls = Configuration.TLSFiles(
                certificate: path(try files.required("certificate", of: tls).text()),
                key: path(try files.required("key", of: tls).text()),
                clientCA: clientCA.map(path)
            )
            if let allow = files["allow"] {
                guard clientCA != nil else { throw allow.error("needs `clientCA`, which vouches for clients' names") }
                access = try Access(allow, clusters: clusters)
            }
            if isInsecure, let field = fields["insecure"] { throw field.error("`tls` is set: leave one of them out") }
        } else if !listen.isLoopback, !isInsecure, let field = fields["listen"] {
            throw field.error(
                "others can reach this address, and all would be sent in plaintext: set `xds.tls`, or `xds.insecure: true`"
            )
        }
        if let interval = fields["loadReportInterval"] {
            loadReportInterval = try interval.duration()
            guard loadReportInterval >= .seconds(1) else { throw interval.error("should be at least 1s") }
        }
        leds = try fields["leds"]?.flag() ?? false
        if let entry = fields["debounce"] {
            let fields = try entry.mapping("quiet", "longest")
            if let quiet = fields["quiet"] { debounce.quiet = try quiet.duration() }
            if let longest = fields["longest"] { debounce.longest = try longest.duration() }
            guard debounce.quiet <= debounce.longest else {
                throw entry.error(
                    "`quiet` (\(debounce.quiet)) should not be longer than `longest` (\(debounce.longest))")
            }
        }
        if let entry = fields["limits"] { limits = try Configuration.Limits(entry) }
        longestConnection = try fields["maxConnectionAge"]?.duration()
        guardsConnections = try fields["connectionGuard"]?.flag() ?? true
    }
}

extension Configuration.AdminServer {
    fileprivate init(_ entry: YAMLReader?, path: (String) -> String) throws(ConfigurationError) {
        let fields = try entry?.mapping("listen", "tokenFile") ?? [:]
        listen = try fields["listen"]?.listenAddress() ?? .loopback(18080)
        tokenFile = try fields["tokenFile"]?.text()
        tokenFile = tokenFile.map(path)
        if !listen.isLoopback, tokenFile == nil, let field = fields["listen"] {
            throw field.error(
                "others can reach this address: set `admin.tokenFile`, a file with a token to ask them for")
        }
    }
}

extension Configuration.ClusterSource {
    fileprivate init(
        name: String, _ entry: YAMLReader, own: ClusterName, shrinkGuard: Configuration.ShrinkGuard?,
        path: (String) -> String
    ) throws(ConfigurationError) {
        let fields = try entry.mapping(
            "network", "locality", "endpoints", "gateways", "reach", "refresh", "lanes", "sni", "guard", "maxShare")
        cluster = Cluster(name: ClusterName(rawValue: name), network: try fields["network"]?.text())
        cluster.locality = try fields["locality"]?.locality() ?? Locality(region: name)
        cluster.reach = try Reach(fields)
        cluster.maxShare = try fields["maxShare"]?.value(
            "should be a number from 0.01 to 0.99: the share of a service's traffic that it may take at most"
        ) { text in
            Ratio(text).flatMap { (0.01...0.99).contains($0.value) ? $0 : nil }
        }
        endpoints = try Configuration.Endpoints(
            fields.required("endpoints", of: entry), cluster: cluster.name, own: own, path: path)
        gateways = try Configuration.Gateways(fields["gateways"], endpoints: endpoints, path: path)
        cluster.gateways = gateways.addresses
        self.shrinkGuard = shrinkGuard
        if let entry = fields["guard"] {
            self.shrinkGuard = try Configuration.ShrinkGuard.reading(entry, template: shrinkGuard)
        }
    }
}

extension Reach {
    /// Reads `reach`, and the settings beside it that belong to it.
    fileprivate init(_ fields: [String: YAMLReader]) throws(ConfigurationError) {
        let kind = try fields["reach"]?.choice(Kind.self) ?? .gateway
        let settings: [(key: String, kind: Kind)] = [("refresh", .gateway), ("lanes", .lanes), ("sni", .pods)]
        for setting in settings where setting.kind != kind {
            if let field = fields[setting.key] {
                throw field.error("belongs to reach: \(setting.kind.rawValue), and reach is \(kind.rawValue)")
            }
        }
        switch kind {
        case .gateway: self = .gateway(refresh: try fields["refresh"]?.flag() ?? false)
        case .lanes:
            var lanes = LaneSettings()
            if let settings = fields["lanes"] { lanes = try LaneSettings(settings) }
            self = .lanes(lanes)
        case .pods: self = .pods(sni: try fields["sni"]?.template() ?? .standard)
        case .connect: self = .connect
        }
    }
}

extension LaneSettings {
    fileprivate init(_ entry: YAMLReader) throws(ConfigurationError) {
        self.init()
        let fields = try entry.mapping("perPod", "most", "gatewayPolicy")
        if let value = fields["perPod"] { perPod = try value.integer(in: 1...64) }
        if let value = fields["most"] { most = try value.integer(in: 1...1_024) }
        if let value = fields["gatewayPolicy"] { gatewayPolicy = try value.choice(GatewayPolicy.self) }
    }
}

extension Configuration.ServedService {
    init(
        name: String, _ entry: YAMLReader, clusters: Set<ClusterName>, client: ClientSettings
    ) throws(ConfigurationError) {
        let fields = try entry.mapping("resources", "balance", "weights", "sni", "port", "metadata", "envoy")
        service = Service(name: ServiceName(rawValue: name))
        service.balance = try fields["balance"]?.choice(Service.Balance.self) ?? .global
        for (key, multiplier) in try fields["weights"]?.entries() ?? [] {
            let cluster = ClusterName(rawValue: key)
            guard clusters.contains(cluster) else { throw multiplier.error("`clusters` has no cluster of this name") }
            service.weights[cluster] = try multiplier.value(
                "should be a number from 0 to 1000000, with at most six places after the point", Ratio.init(_:)
            )
        }
        let weights = service.weights
        if let field = fields["weights"], clusters.allSatisfy({ weights[$0]?.numerator == 0 }) {
            throw field.error("every cluster is taken out (0), so that all requests would fail: leave one above 0")
        }
        service.sni = try fields["sni"]?.value("should be a host name, at most 253 bytes", DNSName.init(_:))
        if let port = fields["port"] { service.port = UInt16(try port.integer(in: 1...65_535)) }
        for (filter, values) in try fields["metadata"]?.entries() ?? [] {
            for (key, value) in try values.entries() { service.metadata[filter, default: [:]][key] = try value.text() }
        }
        service.client = client
        if let settings = fields["envoy"] { service.client = try ClientSettings(settings, template: client) }
        resources = []
        for resource in try fields["resources"]?.list() ?? [] { resources.append(try resource.text()) }
        if fields["resources"] == nil { resources = [name] }
        guard !resources.isEmpty else {
            throw entry.error(
                "`resources` is empty: name at least one EDS resource, or leave it out to use the service's name")
        }
        guard Set(resources).count == resources.count else { throw entry.error("`resources` names a resource twice") }
    }
}

extension YAMLReader {
    fileprivate func locality() throws(ConfigurationError) -> Locality {
        let fields = try mapping("region", "zone", "subZone")
        return Locality(
            region: try fields["region"]?.text() ?? "", zone: try fields["zone"]?.text() ?? "",
            subZone: try fields["subZone"]?.text() ?? ""
        )
    }

    fileprivate func template() throws(ConfigurationError) -> SNITemplate {
        let text = try text()
        do throws(SNITemplate.Problem) {
            return try SNITemplate(text)
        } catch {
            throw self.error(error.description)
        }
    }

    fileprivate func listenAddress() throws(ConfigurationError) -> SocketAddress {
        try value("should be an IP address and a port to listen on, such as 127.0.0.1:18000", SocketAddress.init(_:))
    }
}

extension SocketAddress {
    /// An IPv4 loopback address.
    fileprivate static func loopback(_ port: UInt16) -> SocketAddress {
        guard let host = IPAddress("127.0.0.1") else { preconditionFailure("127.0.0.1 is an IP address") }
        return SocketAddress(host: host, port: port)
    }
}
