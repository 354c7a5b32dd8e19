/// One workload instance, ready or not.
public struct Pod: Hashable, Sendable {
    /// Whether a pod may take traffic; the cases match Envoy's `HealthStatus`.
    public enum Health: String, Hashable, Sendable, CaseIterable {
        /// Takes traffic.
        case healthy
        /// Takes no new requests; requests in flight complete.
        case draining
        /// Takes no traffic.
        case unhealthy
    }

    /// The pod's name, unique within its service and cluster.
    public var name: String
    /// The address that the pod listens on, in its own network.
    public var address: SocketAddress
    /// The pod's weight relative to the service's other pods.
    public var weight: Weight
    /// The pod's zone within its cluster's region; nil if unknown.
    public var zone: String?
    /// Whether the pod may take traffic.
    public var health: Health
    /// The SNI by which gateways select the pod; nil if the cluster's template makes it.
    public var sni: DNSName?
    /// The metadata of the pod's own endpoint; it counts over the cluster's and the service's.
    public var metadata: EndpointMetadata = [:]

    /// Creates a pod.
    public init(
        name: String, address: SocketAddress, weight: Weight = .one, zone: String? = nil, health: Health = .healthy
    ) {
        self.name = name
        self.address = address
        self.weight = weight
        self.zone = zone
        self.health = health
    }
}
