/// How an Envoy that gets its Envoy clusters from Ballast talks to a service's pods.
public struct ClientSettings: Hashable, Sendable {
    /// The HTTP version that clients speak to pods.
    public enum HTTPVersion: String, Hashable, Sendable, CaseIterable {
        case http1
        case http2

        /// The protocol's ALPN name.
        public var alpn: String { self == .http1 ? "http/1.1" : "h2" }
    }

    /// The load balancing policy, named as in Envoy's `lb_policy`.
    public enum Policy: String, Hashable, Sendable, CaseIterable {
        /// Round robin, weighted.
        case roundRobin = "ROUND_ROBIN"
        /// The less busy of two random endpoints.
        case leastRequest = "LEAST_REQUEST"
        /// A random endpoint.
        case random = "RANDOM"
        /// By a hash of the request, on a hash ring.
        case ringHash = "RING_HASH"
        /// By a hash of the request, in a Maglev table.
        case maglev = "MAGLEV"
    }

    /// TLS from clients to pods.
    ///
    /// All paths are on the client's disk.
    public struct TLS: Hashable, Sendable {
        /// The client's certificate chain and key; nil if pods don't ask for a certificate.
        public var certificate: KeyPair?
        /// Path of the certificate authorities that sign pods' certificates.
        public var ca: String
        /// The names that pods' certificates may carry: SPIFFE IDs, other URIs or DNS names; empty allows any.
        public var identities: [String]
        /// The ALPN protocols to offer, preferred first; nil offers the HTTP version's own.
        ///
        /// Istio's gateways and sidecars pass on only connections that offer `istio`.
        public var alpn: [String]?

        /// Creates TLS settings.
        public init(certificate: KeyPair? = nil, ca: String, identities: [String] = [], alpn: [String]? = nil) {
            self.certificate = certificate
            self.ca = ca
            self.identities = identities
            self.alpn = alpn
        }
    }

    /// Paths of a certificate chain and its private key.
    public struct KeyPair: Hashable, Sendable {
        /// The certificate chain, leaf first.
        public var certificate: String
        /// The private key.
        public var key: String

        /// Creates a key pair.
        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// When a pod that returns errors is ejected from load balancing for a while.
    public struct OutlierDetection: Hashable, Sendable {
        /// Consecutive 5xx responses before ejection; default 5.
        public var consecutive5xx: UInt32 = 5
        /// The time between two ejection sweeps; default 10 s.
        public var interval = Duration.seconds(10)
        /// The length of the first ejection, and the increment of each further one; default 30 s.
        public var ejectionTime = Duration.seconds(30)
        /// The percentage of endpoints that may be ejected at once; default 10.
        public var maxEjectionPercent: UInt32 = 10

        /// Creates settings with Envoy's defaults.
        public init() {}
    }

    /// The client's active health check: a GET that must return 200.
    public struct HealthCheck: Hashable, Sendable {
        /// The request's path, such as `/healthz`.
        public var path: String
        /// The time between two checks of a pod; default 5 s.
        public var interval = Duration.seconds(5)
        /// The time until a check counts as failed; default 1 s.
        public var timeout = Duration.seconds(1)

        /// Creates a check of this path.
        public init(path: String) { self.path = path }
    }

    /// The HTTP version that clients speak to pods.
    public var http = HTTPVersion.http1
    /// The load balancing policy.
    public var policy = Policy.roundRobin
    /// TLS to pods; nil for plaintext.
    public var tls: TLS?
    /// Outlier detection; nil for none.
    public var outlierDetection: OutlierDetection?
    /// Active health checks; nil for none.
    ///
    /// Pods behind internal listeners are not checked.
    public var healthCheck: HealthCheck?

    /// Creates the default settings: HTTP/1.1, plaintext, round robin.
    public init() {}
}
