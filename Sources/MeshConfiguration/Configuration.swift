public import Intent
public import Model
public import Overrides

/// The content of `ballast.yaml`.
public struct Configuration: Hashable, Sendable {
    /// The desired state of the mesh; a reload applies changes.
    public var mesh: MeshIntent
    /// Which clients may see which views; nil if every client may see every view.
    ///
    /// A reload applies changes.
    public var access: Access?
    /// Settings that take effect at the next start only.
    public var server: ServerSettings
    /// A hash of the file's text; equal texts have equal versions.
    public var version = ""
    /// Where each service's `weights` are written, by cluster.
    public var weightOrigins: [ServiceName: [ClusterName: FieldOrigin]] = [:]
}

/// Settings that take effect at the next start only: listen addresses, limits and state.
public struct ServerSettings: Hashable, Sendable {
    /// The xDS server's settings.
    public var xds: Configuration.XDSServer
    /// The admin API's settings.
    public var admin: Configuration.AdminServer
    /// The directory of the last-known-good state; nil to keep none.
    public var state: String?
    /// Where overrides are kept, and what they have to keep.
    public var overrides = OverrideSettings()
    /// How gateways' host names are resolved.
    public var dns = Configuration.DNS()
    /// Limits on each source.
    public var sources = Configuration.SourceLimits()

    /// The names of the fields that differ, as in `ballast.yaml`.
    public func differences(from other: ServerSettings) -> [String] {
        [
            ("xds", xds != other.xds), ("admin", admin != other.admin), ("state", state != other.state),
            ("overrides", overrides != other.overrides), ("dns", dns != other.dns),
            ("sources", sources != other.sources),
        ].filter(\.1).map(\.0)
    }
}

/// Where overrides are kept, and what they have to keep.
public struct OverrideSettings: Hashable, Sendable {
    /// Where they are kept.
    public var store = OverrideStoreKind.off
    /// The longest time from start to end.
    public var longest = OverrideSpec.longest
    /// How many times its part by pod weights a cluster or zone may get by shares, at least 1.
    public var ceiling = 3.0
    /// The rules, ordered by name.
    public var rules: [SafetyRule] = []
}

/// Where overrides are kept.
public enum OverrideStoreKind: String, Hashable, Sendable, CaseIterable {
    /// In a journal in the directory `state`.
    case file
    /// In memory: a restart ends them.
    case memory
    /// Nowhere: there are no overrides.
    case off
}

extension Configuration {
    /// Settings of the xDS server.
    public struct XDSServer: Hashable, Sendable {
        /// The listen address; port 0 lets the system choose.
        public var listen: SocketAddress
        /// The server's TLS files; nil for plaintext.
        public var tls: TLSFiles?
        /// Whether plaintext may be served on an address that other machines can reach.
        public var isInsecure = false
        /// The interval at which clients are asked to send load reports.
        public var loadReportInterval = Duration.seconds(5)
        /// Whether Envoys over delta ADS use LEDS unless their node metadata has `leds: false`.
        public var leds = false
        /// How changes are debounced.
        public var debounce = DebounceSettings()
        /// Limits on clients.
        public var limits = Limits()
        /// The maximum age of a connection, plus or minus a tenth, after which clients must reconnect and show their
        /// certificates again; nil for no maximum.
        public var longestConnection: Duration?
        /// Whether the connection guard checks connections before libgrpc reads them; disable it only for comparisons.
        public var guardsConnections = true
    }

    /// How changes in quick succession are combined into one snapshot.
    ///
    /// A change after a quiet period is published at once.
    public struct DebounceSettings: Hashable, Sendable {
        /// Changes that follow each other within this time are combined.
        public var quiet = Duration.milliseconds(10)
        /// The maximum delay of a change.
        public var longest = Duration.milliseconds(100)
    }

    /// Settings of the admin API.
    public struct AdminServer: Hashable, Sendable {
        /// The listen address; port 0 lets the system choose.
        public var listen: SocketAddress
        /// Path of the bearer token that every request must send; nil is allowed on loopback only.
        public var tokenFile: String?
        /// Path of a file with a line for each token: its name, its role, and `sha256:` with the hash in hexadecimal.
        public var tokens: String?
        /// The host names by which browsers may ask, besides `localhost` and IP addresses.
        public var hosts: [String] = []
    }

    /// Paths of the xDS server's PEM files.
    public struct TLSFiles: Hashable, Sendable {
        /// The server's certificate chain, leaf first.
        public var certificate: String
        /// The server's private key.
        public var key: String
        /// The authorities that sign clients' certificates; nil to ask clients for none.
        public var clientCA: String?
    }
}
