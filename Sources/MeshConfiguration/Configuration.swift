public import Intent
public import Model

/// What `ballast.yaml` says.
public struct Configuration: Hashable, Sendable {
    /// What people want of the mesh; a reload puts it in force.
    public var mesh: MeshIntent
    /// Who may see what; nil if everyone who can connect may see everything.
    ///
    /// A reload puts it in force.
    public var access: Access?
    /// What only a start puts in force.
    public var server: ServerSettings
    /// A hash of the text: two that are configured alike have the same.
    public var version = ""
    /// Where each of a service's `weights` is written.
    public var weightOrigins: [ServiceName: [ClusterName: FieldOrigin]] = [:]
}

/// What only a start puts in force: how this process listens, limits, and keeps its state.
public struct ServerSettings: Hashable, Sendable {
    /// The xDS server.
    public var xds: Configuration.XDSServer
    /// The admin API.
    public var admin: Configuration.AdminServer
    /// The directory where the last known state is kept; nil if it isn't kept.
    public var state: String?
    /// How gateways' host names are looked up.
    public var dns = Configuration.DNS()
    /// How much each source may bring.
    public var sources = Configuration.SourceLimits()

    /// The names of the fields that differ, as `ballast.yaml` has them.
    public func differences(from other: ServerSettings) -> [String] {
        [
            ("xds", xds != other.xds), ("admin", admin != other.admin), ("state", state != other.state),
            ("dns", dns != other.dns), ("sources", sources != other.sources),
        ].filter(\.1).map(\.0)
    }
}

extension Configuration {
    /// How the xDS server is reached.
    public struct XDSServer: Hashable, Sendable {
        /// Port 0 lets the system choose.
        public var listen: SocketAddress
        /// Nil for plaintext.
        public var tls: TLSFiles?
        /// Whether plaintext is meant to be served to other machines.
        public var isInsecure = false
        /// How often clients are asked to report what they sent where.
        public var loadReportInterval = Duration.seconds(5)
        /// Whether Envoys over delta ADS are served localities as collections (LEDS) unless they say `leds: false`.
        public var leds = false
        /// How changes are gathered.
        public var debounce = DebounceSettings()
        /// How much clients may ask.
        public var limits = Limits()
        /// The age at which connections end, a tenth more or less, so that clients show their certificates again; nil for
        /// none.
        public var longestConnection: Duration?
        /// Whether connections are limited before libgrpc reads them; false to compare only.
        public var guardsConnections = true
    }

    /// How changes that follow each other quickly are gathered into one snapshot.
    ///
    /// One after a time of quiet is served at once.
    public struct DebounceSettings: Hashable, Sendable {
        /// Changes that follow each other within this time are served together.
        public var quiet = Duration.milliseconds(10)
        /// No change waits longer than this.
        public var longest = Duration.milliseconds(100)
    }

    /// How the admin API is reached.
    public struct AdminServer: Hashable, Sendable {
        /// Port 0 lets the system choose.
        public var listen: SocketAddress
        /// A file whose text every request has to bring as a bearer token; nil on loopback only.
        public var tokenFile: String?
    }

    /// Paths of PEM files.
    public struct TLSFiles: Hashable, Sendable {
        /// The server's certificate chain, leaf first.
        public var certificate: String
        /// Its private key.
        public var key: String
        /// Authorities that sign clients' certificates; nil lets clients come without one.
        public var clientCA: String?
    }
}
