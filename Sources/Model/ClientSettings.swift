/// How an Envoy that takes a service's cluster itself from Ballast talks to the service's pods.
public struct ClientSettings: Hashable, Sendable {
    /// Which HTTP is spoken to pods.
    public enum HTTPVersion: String, Hashable, Sendable, CaseIterable {
        /// HTTP/1.1.
        case http1
        /// HTTP/2.
        case http2

        /// The protocol's name in TLS's ALPN.
        public var alpn: String { self == .http1 ? "http/1.1" : "h2" }
    }

    /// Which pod is next, in Envoy's words.
    public enum Policy: String, Hashable, Sendable, CaseIterable {
        /// In turn, by weight.
        case roundRobin = "ROUND_ROBIN"
        /// The less busy of two.
        case leastRequest = "LEAST_REQUEST"
        /// Any.
        case random = "RANDOM"
        /// By a hash of the request, on a ring.
        case ringHash = "RING_HASH"
        /// By a hash of the request, in a table.
        case maglev = "MAGLEV"
    }

    /// TLS to pods.
    ///
    /// Paths are those of the client's disk.
    public struct TLS: Hashable, Sendable {
        /// The client's certificate chain and key; nil where pods ask for none.
        public var certificate: KeyPair?
        /// The authorities that sign pods' certificates.
        public var ca: String
        /// What pods' certificates may say: SPIFFE ids or other URIs, or DNS names; empty for anything.
        public var identities: [String]
        /// The protocols that are offered in the handshake (ALPN), the preferred first; nil for the HTTP version's own.
        ///
        /// Istio's gateways and sidecars pass on connections that offer `istio` only.
        public var alpn: [String]?

        /// TLS with these files.
        public init(certificate: KeyPair? = nil, ca: String, identities: [String] = [], alpn: [String]? = nil) {
            self.certificate = certificate
            self.ca = ca
            self.identities = identities
            self.alpn = alpn
        }
    }

    /// Paths of a certificate chain and its key.
    public struct KeyPair: Hashable, Sendable {
        /// The chain, leaf first.
        public var certificate: String
        /// The key.
        public var key: String

        /// Files at these paths.
        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// When a pod that answers with errors is left alone for a while.
    public struct OutlierDetection: Hashable, Sendable {
        /// So many in a row.
        public var consecutive5xx: UInt32 = 5
        /// How often ejected pods are looked at.
        public var interval = Duration.seconds(10)
        /// The first ejection's length; each further one adds as much.
        public var ejectionTime = Duration.seconds(30)
        /// Of all endpoints, in percent.
        public var maxEjectionPercent: UInt32 = 10

        /// Envoy's defaults.
        public init() {}
    }

    /// The client's own check of pods: a GET that 200 answers.
    public struct HealthCheck: Hashable, Sendable {
        /// Such as `/healthz`.
        public var path: String
        /// Between two checks of a pod.
        public var interval = Duration.seconds(5)
        /// Until a check counts as failed.
        public var timeout = Duration.seconds(1)

        /// A check of that path.
        public init(path: String) { self.path = path }
    }

    /// Which HTTP is spoken to pods.
    public var http = HTTPVersion.http1
    /// Which pod is next.
    public var policy = Policy.roundRobin
    /// Nil for plaintext.
    public var tls: TLS?
    /// Nil for none.
    public var outlierDetection: OutlierDetection?
    /// Nil for none.
    ///
    /// Pods behind internal listeners are left out of it.
    public var healthCheck: HealthCheck?

    /// HTTP/1.1 in plaintext, in turn.
    public init() {}
}
