public import Model

/// What `ballast.yaml` says.
public struct Configuration: Hashable, Sendable {
    /// The cluster whose clients are served, unless a client says that it is in another.
    public var cluster: ClusterName
    /// The xDS server.
    public var xds: XDSServer
    /// The admin API.
    public var admin: AdminServer
    /// All clusters of the federation, in the order of their names.
    public var clusters: [ClusterSource]
    /// All services, in the order of their names.
    public var services: [ServedService]
    /// What services are like that sources bring and `services` doesn't have; nil where they are left out.
    public var template: ServiceTemplate?
    /// What other Ballasts may import, in the order of their names.
    public var exports: [Export]
    /// How gateways' host names are looked up.
    public var dns = DNS()
    /// How much each source may bring.
    public var sources = SourceLimits()
    /// A hash of the text: two that are configured alike have the same.
    public var version = ""
    /// The directory where the last known state is kept; nil where it isn't.
    public var state: String?

    /// How the xDS server is reached.
    public struct XDSServer: Hashable, Sendable {
        /// Port 0 lets the system choose.
        public var listen: SocketAddress
        /// Nil for plaintext.
        public var tls: TLSFiles?
        /// Whether plaintext is meant to be served to other machines.
        public var isInsecure = false
        /// Who may see what; nil where everyone who can connect may see everything.
        public var access: Access?
        /// How often clients are asked to report what they sent where.
        public var loadReportInterval = Duration.seconds(5)
        /// Whether Envoys over delta ADS are served localities as collections (LEDS) unless they say `leds: false`.
        public var leds = false
        /// How changes are gathered.
        public var debounce = Debounce()
        /// How much clients may ask.
        public var limits = Limits()
        /// The age, a tenth more or less, at which connections end, so that clients show their certificates again; nil for
        /// none.
        public var longestConnection: Duration?
        /// Whether connections are limited before libgrpc reads them; false to compare only.
        public var guardsConnections = true
    }

    /// How changes that follow each other quickly are gathered into one snapshot.
    ///
    /// One after a time of quiet is served at once.
    public struct Debounce: Hashable, Sendable {
        /// Changes that follow each other within this time are served together.
        public var quiet = Duration.milliseconds(10)
        /// None waits longer than this.
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

    /// A cluster, and where its pods are learned.
    public struct ClusterSource: Hashable, Sendable {
        /// The cluster, without its pods.
        public var cluster: Cluster
        /// Where its pods are learned.
        public var endpoints: Endpoints
        /// Where its gateways are learned.
        public var gateways: Gateways
        /// When its services are held as they shrink; nil for never.
        public var shrinkGuard: ShrinkGuard?
    }

    /// A service, and the EDS names it is served under.
    public struct ServedService: Hashable, Sendable {
        /// The service.
        public var service: Service
        /// At least one; no other service has any of them.
        public var resources: [String]
        /// Whether the configuration names it; else it is what `*` makes of a name that a source brings.
        public var isListed = true
    }
}
