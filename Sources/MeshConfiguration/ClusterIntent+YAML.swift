import Intent
import Model
import YAMLFile

extension ClusterIntent {
    /// Reads an entry of `clusters`.
    ///
    /// - Parameters:
    ///   - own: the cluster that this Ballast serves.
    ///   - shrinkGuard: the `guard` setting for all clusters.
    init(
        _ name: ClusterName, _ entry: YAMLReader, own: ClusterName, shrinkGuard: ShrinkGuard?, path: (String) -> String
    ) throws(ConfigurationError) {
        let fields = try entry.mapping(
            "network", "locality", "endpoints", "gateways", "reach", "refresh", "lanes", "sni", "hbone", "guard",
            "maxShare",
            "metadata")
        var cluster = Cluster(name: name, network: try fields["network"]?.text())
        cluster.locality = try fields["locality"]?.locality() ?? Locality(region: name.rawValue)
        cluster.reach = try Reach(fields, of: entry)
        cluster.maxShare = try fields["maxShare"]?.value(
            "should be a number from 0.01 to 0.99: the share of a service's traffic that it may take at most"
        ) { text in
            Ratio(text).flatMap { (0.01...0.99).contains($0.value) ? $0 : nil }
        }
        if let metadata = fields["metadata"] { cluster.metadata = try metadata.endpointMetadata() }
        let endpoints = try EndpointsSettings(
            fields.required("endpoints", of: entry), cluster: name, own: own, path: path)
        self.init(
            cluster, endpoints: endpoints,
            gateways: try GatewaysSettings(fields["gateways"], endpoints: endpoints, path: path),
            shrinkGuard: shrinkGuard)
        if let entry = fields["guard"] { self.shrinkGuard = try entry.shrinkGuard(template: shrinkGuard) }
    }
}

extension Reach {
    /// Reads `reach` and its settings.
    fileprivate init(_ fields: [String: YAMLReader], of entry: YAMLReader) throws(ConfigurationError) {
        let kind = try fields["reach"]?.choice(Kind.self) ?? .gateway
        let settings: [(key: String, kind: Kind)] = [
            ("refresh", .gateway), ("lanes", .lanes), ("sni", .pods), ("hbone", .hbone),
        ]
        for setting in settings where setting.kind != kind {
            if let field = fields[setting.key] {
                throw field.error("belongs to reach: \(setting.kind.rawValue), and reach is \(kind.rawValue)")
            }
        }
        switch kind {
        case .gateway: self = .gateway(refresh: try fields["refresh"]?.flag() ?? false)
        case .lanes:
            self = .lanes(
                try fields["lanes"].map { (entry) throws(ConfigurationError) in try LaneSettings(entry) }
                    ?? LaneSettings())
        case .pods: self = .pods(sni: try fields["sni"]?.template(SNITemplate.init) ?? .standard)
        case .connect: self = .connect
        case .hbone: self = .hbone(try HBONESettings(fields.required("hbone", of: entry)))
        }
    }
}

extension HBONESettings {
    fileprivate init(_ entry: YAMLReader) throws(ConfigurationError) {
        let fields = try entry.mapping("hosts", "gateway", "pods")
        self.init(
            gateway: try ClientSettings.TLS(fields.required("gateway", of: entry), template: nil),
            pods: try ClientSettings.TLS(fields.required("pods", of: entry), template: nil))
        if let hosts = fields["hosts"] { authorities = try hosts.template(AuthorityTemplate.init) }
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

extension YAMLReader {
    fileprivate func locality() throws(ConfigurationError) -> Locality {
        let fields = try mapping("region", "zone", "subZone")
        return Locality(
            region: try fields["region"]?.text() ?? "", zone: try fields["zone"]?.text() ?? "",
            subZone: try fields["subZone"]?.text() ?? ""
        )
    }

    /// Reads a template of host names.
    func template<Template>(
        _ parse: (String) throws(SNITemplate.Problem) -> Template
    ) throws(ConfigurationError) -> Template {
        let text = try text()
        do throws(SNITemplate.Problem) {
            return try parse(text)
        } catch {
            throw self.error(error.description)
        }
    }

    /// Reads `guard`; nil for `off`.
    ///
    /// - Parameter template: the source of fields that `guard` doesn't set.
    func shrinkGuard(template: ShrinkGuard?) throws(ConfigurationError) -> ShrinkGuard? {
        guard isMapping else {
            let isOn = try value("should be on, off, or a mapping of share, from, holdFor and pace") {
                Self.truths[$0.lowercased()]
            }
            return isOn ? template ?? ShrinkGuard() : nil
        }
        var settings = template ?? ShrinkGuard()
        let fields = try mapping("share", "from", "holdFor", "pace")
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
