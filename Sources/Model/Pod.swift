/// One workload instance out there, ready or not.
public struct Pod: Hashable, Sendable {
    /// Whether a pod may take traffic, in Envoy's words.
    public enum Health: String, Hashable, Sendable, CaseIterable {
        /// Takes traffic.
        case healthy
        /// Takes no new requests; those in flight end in peace.
        case draining
        /// Takes no traffic.
        case unhealthy
    }

    /// Unique among the pods of its service and cluster.
    public var name: String
    /// Where it listens, inside its own network.
    public var address: SocketAddress
    /// How much it takes compared with the service's other pods.
    public var weight: Weight
    /// The zone within its cluster's region, where one is known.
    public var zone: String?
    /// Whether it may take traffic.
    public var health: Health

    /// A pod; healthy and of weight 1 unless said otherwise.
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
