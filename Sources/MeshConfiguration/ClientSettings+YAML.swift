import Model
import YAMLFile

extension ClientSettings {
    /// Reads an `envoy` mapping; fields that it doesn't set come from the template.
    init(_ entry: YAMLReader, template: ClientSettings) throws(ConfigurationError) {
        self = template
        let fields = try entry.mapping("http", "policy", "tls", "outlierDetection", "healthCheck")
        if let value = fields["http"] { http = try value.choice(HTTPVersion.self) }
        if let value = fields["policy"] { policy = try value.choice(Policy.self) }
        if let value = fields["tls"] { tls = try TLS(value, template: template.tls) }
        if let value = fields["outlierDetection"] {
            outlierDetection = try OutlierDetection(value, template: template.outlierDetection)
        }
        if let value = fields["healthCheck"] { healthCheck = try HealthCheck(value, template: template.healthCheck) }
    }
}

extension ClientSettings.TLS {
    /// Reads TLS settings; fields that they don't set come from the template.
    init(_ entry: YAMLReader, template: Self?) throws(ConfigurationError) {
        let fields = try entry.mapping("certificate", "key", "ca", "identities", "alpn")
        // The files are on clients' disks, so their existence can't be checked here.
        if let ca = try fields["ca"]?.text() ?? template?.ca {
            self.init(
                certificate: template?.certificate, ca: ca, identities: template?.identities ?? [], alpn: template?.alpn
            )
        } else {
            self.init(ca: try fields.required("ca", of: entry).text())
        }
        if let list = try fields["identities"]?.list() {
            identities = []
            for identity in list { identities.append(try identity.text()) }
        }
        if let list = fields["alpn"] {
            var protocols: [String] = []
            for entry in try list.list() {
                // A protocol name's length is one byte, and the list's length two bytes (RFC 7301).
                protocols.append(
                    try entry.value("should be a protocol's name of 1 to 255 letters, digits and signs, such as h2") {
                        (1...255).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x21...0x7e).contains($0) }
                            ? $0 : nil
                    })
            }
            guard (1...32).contains(protocols.count) else { throw list.error("should be a list of 1 to 32 protocols") }
            alpn = protocols
        }
        switch (fields["certificate"], fields["key"]) {
        case (let chain?, let key?):
            certificate = ClientSettings.KeyPair(certificate: try chain.text(), key: try key.text())
        case (nil, nil): break
        case (let one?, nil), (nil, let one?): throw one.error("`certificate` and `key` belong together")
        }
    }
}

extension ClientSettings.OutlierDetection {
    fileprivate init(_ entry: YAMLReader, template: Self?) throws(ConfigurationError) {
        self = template ?? Self()
        let fields = try entry.mapping("consecutive5xx", "interval", "ejectionTime", "maxEjectionPercent")
        if let value = fields["consecutive5xx"] { consecutive5xx = UInt32(try value.integer(in: 1...1_000_000)) }
        if let value = fields["interval"] { interval = try value.duration() }
        if let value = fields["ejectionTime"] { ejectionTime = try value.duration() }
        if let value = fields["maxEjectionPercent"] { maxEjectionPercent = UInt32(try value.integer(in: 0...100)) }
    }
}

extension ClientSettings.HealthCheck {
    fileprivate init(_ entry: YAMLReader, template: Self?) throws(ConfigurationError) {
        let fields = try entry.mapping("path", "interval", "timeout")
        if let path = fields["path"] {
            self.init(
                path: try path.value("should be a path, such as /healthz") { $0.hasPrefix("/") ? $0 : nil })
        } else if let template {
            self = template
        } else {
            throw try fields.required("path", of: entry).error("should be a path")
        }
        if let value = fields["interval"] { interval = try value.duration() }
        if let value = fields["timeout"] { timeout = try value.duration() }
    }
}
