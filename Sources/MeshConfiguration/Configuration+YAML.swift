import Foundation
import Intent
import Model
import XXHash
public import YAMLFile

extension Configuration {
    /// Reads a configuration file.
    ///
    /// Paths in it are relative to its directory.
    public init(path: String) throws(ConfigurationError) { try self.init(text: TextFile.read(path), file: path) }

    /// Reads a configuration; `file` is used in errors, and its directory for relative paths.
    public init(text: String, file: String) throws(ConfigurationError) {
        let root = try YAMLReader(text: text, file: file)
        let fields = try root.mapping(
            "cluster", "xds", "admin", "state", "overrides", "guard", "dns", "envoy", "sources", "clusters", "services",
            "export", "publish")
        let directory = URL(fileURLWithPath: file).deletingLastPathComponent()
        var reader = MeshReader(root, fields) { URL(fileURLWithPath: $0, relativeTo: directory).path }
        try reader.readClusters()
        try reader.readServices()
        var xds: XDSServer?
        var admin: AdminServer?
        do throws(ConfigurationError) {
            xds = try XDSServer(fields["xds"], path: reader.path)
            access = try Access(server: fields["xds"], clusters: reader.clusterNames)
            admin = try AdminServer(fields["admin"], path: reader.path)
        } catch {
            reader.errors.append(error)
        }
        guard let xds, let admin, reader.errors.isEmpty else { throw ConfigurationError(reader.errors) }
        try reader.checkNames()
        try reader.checkProxies()
        mesh = try reader.mesh(exportsTo: xds.tls?.clientCA)
        server = ServerSettings(xds: xds, admin: admin)
        if let entry = fields["dns"] { server.dns = try DNS(entry) }
        if let entry = fields["sources"] { server.sources = try SourceLimits(entry) }
        server.state = try fields["state"]?.text()
        server.state = server.state.map(reader.path)
        server.overrides = try OverrideSettings(fields["overrides"], hasState: server.state != nil)
        version = String(xxHash64(text), radix: 16)
        weightOrigins = reader.weightOrigins
    }
}

extension Configuration.XDSServer {
    fileprivate init(_ entry: YAMLReader?, path: (String) -> String) throws(ConfigurationError) {
        let fields =
            try entry?.mapping(
                "listen", "tls", "insecure", "limits", "connectionGuard", "maxConnectionAge",
                "loadReportInterval", "leds", "debounce") ?? [:]
        listen = try fields["listen"]?.listenAddress() ?? .loopback(18000)
        isInsecure = try fields["insecure"]?.flag() ?? false
        if let tls = fields["tls"] {
            self.tls = try Configuration.TLSFiles(tls, path: path)
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
        if let entry = fields["debounce"] { debounce = try Configuration.DebounceSettings(entry) }
        if let entry = fields["limits"] { limits = try Configuration.Limits(entry) }
        longestConnection = try fields["maxConnectionAge"]?.duration()
        guardsConnections = try fields["connectionGuard"]?.flag() ?? true
    }
}

extension Configuration.TLSFiles {
    fileprivate init(_ entry: YAMLReader, path: (String) -> String) throws(ConfigurationError) {
        let files = try entry.mapping("certificate", "key", "clientCA", "allow")
        let clientCA = try files["clientCA"]?.text()
        self.init(
            certificate: path(try files.required("certificate", of: entry).text()),
            key: path(try files.required("key", of: entry).text()), clientCA: clientCA.map(path))
        if let allow = files["allow"], clientCA == nil {
            throw allow.error("needs `clientCA`, the authorities for clients' certificates")
        }
    }
}

extension Configuration.DebounceSettings {
    fileprivate init(_ entry: YAMLReader) throws(ConfigurationError) {
        let fields = try entry.mapping("quiet", "longest")
        if let quiet = fields["quiet"] { self.quiet = try quiet.duration() }
        if let longest = fields["longest"] { self.longest = try longest.duration() }
        guard quiet <= longest else {
            throw entry.error("`quiet` (\(quiet)) should not be longer than `longest` (\(longest))")
        }
    }
}

extension Configuration.AdminServer {
    fileprivate init(_ entry: YAMLReader?, path: (String) -> String) throws(ConfigurationError) {
        let fields = try entry?.mapping("listen", "tokenFile", "tokens", "hosts") ?? [:]
        listen = try fields["listen"]?.listenAddress() ?? .loopback(18080)
        tokenFile = try fields["tokenFile"]?.text()
        tokenFile = tokenFile.map(path)
        tokens = try fields["tokens"]?.text()
        tokens = tokens.map(path)
        hosts =
            try fields["hosts"]?.list().map { entry throws(ConfigurationError) in try entry.text().lowercased() } ?? []
        if !listen.isLoopback, tokenFile == nil, tokens == nil, let field = fields["listen"] {
            throw field.error(
                "others can reach this address: set `admin.tokenFile`, a file with a token to ask them for, or `admin.tokens`"
            )
        }
    }
}

extension Configuration.DNS {
    /// Reads `dns`.
    fileprivate init(_ entry: YAMLReader) throws(ConfigurationError) {
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
        if let field = fields["ipFamily"] { family = try field.choice(IPFamily.self) }
        guard shortest <= longest else {
            throw entry.error("`shortest` (\(shortest)) should not be longer than `longest` (\(longest))")
        }
    }
}

extension YAMLReader {
    fileprivate func listenAddress() throws(ConfigurationError) -> SocketAddress {
        try value("should be an IP address and a port to listen on, such as 127.0.0.1:18000", SocketAddress.init(_:))
    }
}

extension SocketAddress {
    /// An address on 127.0.0.1.
    fileprivate static func loopback(_ port: UInt16) -> SocketAddress {
        guard let host = IPAddress("127.0.0.1") else { preconditionFailure("127.0.0.1 is an IP address") }
        return SocketAddress(host: host, port: port)
    }
}
