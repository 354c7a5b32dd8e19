public import Model

/// The settings of a scene: the contents of `ballast.yaml`, and the kind of client.
public struct Plan: Sendable {
    /// How west's pods are reached.
    public enum Reach: String, Sendable {
        /// As federation tools import a cluster: its gateway is one endpoint like any other.
        case imported
        /// The gateway has the weight of all its pods.
        case gateway
        /// Like `gateway`, and clients open new connections when pods are added.
        case refresh
        /// Several identities for a gateway that can't be changed.
        case lanes
        /// Like `lanes`, with a gateway that selects pods in turn.
        case lanesInTurn = "lanes, in turn"
        /// Each pod by its own SNI.
        case pods
        /// Each pod by its address, through an HTTP proxy.
        case connect

        /// The lines of west's configuration.
        fileprivate var lines: [String] {
            switch self {
            case .imported: []
            case .gateway: ["reach: gateway"]
            case .refresh: ["reach: gateway", "refresh: true"]
            case .lanes: ["reach: lanes"]
            case .lanesInTurn: ["reach: lanes", "lanes: {gatewayPolicy: ROUND_ROBIN}"]
            case .pods: ["reach: pods"]
            case .connect: ["reach: connect"]
            }
        }

        /// Gateways .3 and .4 can't be changed; .1 and .2 get their pods from Ballast.
        fileprivate var gateways: [Int] {
            switch self {
            case .imported, .gateway, .refresh, .lanes: [3]
            case .lanesInTurn: [4]
            case .pods, .connect: [1]
            }
        }
    }

    /// How west's pods are reached.
    public var reach: Reach
    /// Which cluster's pods are preferred.
    public var balance = Service.Balance.global
    /// The load balancing policy.
    public var policy = ClientSettings.Policy.roundRobin
    /// The last bytes of the addresses of west's gateways.
    public var gateways: [Int]
    /// Whether pods that respond with errors are ejected.
    public var ejectsOutliers = false
    /// The client's workaround for pinned connections: the limit of requests per connection in its static
    /// configuration.
    public var requestsPerConnection: Int?
    /// Whether the client runs health checks.
    public var checksHealth = false
    /// The multiplier of west's weights.
    public var westMultiplier = "1"

    /// Creates a plan.
    public init(_ reach: Reach) {
        self.reach = reach
        gateways = reach.gateways
        isServedWhole = reach != .imported && reach != .gateway
    }

    /// Whether the client gets its Envoy clusters from Ballast, too, and supports every reach.
    var isServedWhole: Bool

    /// The audience that the client belongs to.
    public var audience: ClientKind { isServedWhole ? .lanes : .plain }

    /// Whether clients offer Istio's protocol in the TLS handshake, which Istio's gateways require.
    public var offersIstio = true

    private func alpn(_ upstream: Bench.UpstreamProtocol) -> String {
        offersIstio ? ", alpn: [istio, \(upstream == .http1 ? "http/1.1" : "h2")]" : ""
    }

    /// The contents of `ballast.yaml`.
    public func configuration(_ bench: Bench, _ upstream: Bench.UpstreamProtocol) -> String {
        let gateways = gateways.map { "\"\(bench.network)\($0):15443\"" }
        let west =
            (reach == .imported
                ? ["endpoints: {file: west-imported.yaml}"]
                : ["endpoints: {file: west.yaml}", "gateways: [\(gateways.joined(separator: ", "))]"]) + reach.lines
        return """
            cluster: east
            guard: off
            xds: {listen: "\(bench.host):\(Bench.xdsPort)"}
            admin: {listen: "\(bench.host):\(Bench.adminPort)"}
            clusters:
              east: {locality: {region: east}, endpoints: {file: east.yaml}}
              west:
                locality: {region: west}
            \(west.map { "    \($0)" }.joined(separator: "\n"))
            services:
              httpbin:
                sni: \(Certificates.serviceName)
                balance: \(balance.rawValue)
                weights: {west: \(westMultiplier)}
                envoy:
                  http: \(upstream == .http1 ? "http1" : "http2")
                  policy: \(policy.rawValue)
            \(checksHealth ? "      healthCheck: {path: /, interval: 100ms, timeout: 1s}" : "")
            \(ejectsOutliers ? "      outlierDetection: {consecutive5xx: 5, interval: 1s, ejectionTime: 60s, maxEjectionPercent: 100}" : "")
                  tls:
                    {certificate: certs/client.crt, key: certs/client.key, ca: certs/ca.crt, identities: ["spiffe://mesh.example/httpbin"]\(alpn(upstream))}

            """
    }
}
