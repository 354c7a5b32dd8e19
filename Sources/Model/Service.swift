/// What clients balance over, and the wishes of whoever runs it.
public struct Service: Hashable, Sendable {
    /// Which clusters take traffic, and when.
    public enum Balance: String, Hashable, Sendable, CaseIterable {
        /// All clusters share the traffic.
        case global
        /// The client's own cluster at priority 0; the others, at priority 1, take over as it fails.
        case localFirst = "local-first"
    }

    /// Its name, such as `httpbin`.
    public var name: ServiceName
    /// Which clusters take traffic, and when.
    public var balance: Balance
    /// What each pod of a cluster counts, times its own weight.
    ///
    /// 1 where nothing is said; 0 takes the cluster out.
    public var weights: [ClusterName: Ratio]
    /// The SNI that means any of its pods, at every gateway.
    ///
    /// Nil for a default that our own gateways know: see `sni(at:)`.
    public var sni: DNSName?
    /// The port that clients call it by, where that isn't the pods' own; SNIs may have it.
    public var port: UInt16?
    /// What every endpoint says about itself, by filter and key, for clients that look for it.
    ///
    /// Istio's sidecars choose TLS by `envoy.transport_socket_match`'s `tlsMode`.
    public var metadata: [String: [String: String]] = [:]
    /// For clients that take the service's cluster from Ballast.
    public var client = ClientSettings()

    /// The SNI that means any of its pods at the gateways of a cluster: its own, or else `SERVICE.CLUSTER.ballast`.
    ///
    /// The default has `_` for the points in the service's name, so that no pod's SNI is the same: those have a label more.
    /// Nil where that is no host name, or another service or template could come to the same.
    public func sni(at cluster: Cluster) -> DNSName? {
        if let sni { return sni }
        if case .pods(let template) = cluster.reach, template != .standard { return nil }
        guard !name.rawValue.contains("_") else { return nil }
        return DNSName("\(name.rawValue.replacing(".", with: "_")).\(cluster.name).ballast")
    }

    /// A service; global, every pod counting the same, unless said otherwise.
    public init(name: ServiceName, balance: Balance = .global, weights: [ClusterName: Ratio] = [:]) {
        self.name = name
        self.balance = balance
        self.weights = weights
    }
}
