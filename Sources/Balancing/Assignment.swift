public import Model

/// The share of one service's traffic for every endpoint, as the clients of one cluster see it, with the reasons.
public struct Assignment: Hashable, Sendable {
    /// One address as served.
    ///
    /// A gateway endpoint stands for many pods.
    public struct Endpoint: Hashable, Sendable {
        /// The address that the client connects to.
        ///
        /// Unique within an assignment: Envoy would drop a duplicate silently, and gRPC would reject the whole
        /// assignment.
        public var address: Address
        /// The SNI by which the gateway selects the pod, or the service if the endpoint stands for many pods; nil for
        /// none.
        public var hostname: String?
        /// The HTTP CONNECT proxy on the way; nil for none.
        public var proxy: SocketAddress?
        /// The load balancing weight, at least 1.
        public var weight: UInt32
        /// The health; only healthy endpoints count in their locality's weight.
        public var health: Pod.Health
        /// The metadata that counts over the assignment's.
        public var metadata: EndpointMetadata

        /// An address on the network, or an identity behind an internal listener.
        public enum Address: Hashable, Comparable, Sendable, CustomStringConvertible {
            /// An address on the network.
            case socket(SocketAddress)
            /// An internal listener in the client; endpoints of one listener differ in `id`.
            case listener(String, id: String)

            /// Whether it is an address on the network.
            var isSocket: Bool { if case .socket = self { true } else { false } }

            /// The address as text: `10.0.0.1:8443`, or `west_gateway/w1`.
            public var description: String {
                switch self {
                case .socket(let address): address.description
                case .listener(let name, let id): "\(name)/\(id)"
                }
            }
        }

        /// Creates an endpoint.
        public init(
            address: Address, hostname: String? = nil, proxy: SocketAddress? = nil, weight: UInt32, health: Pod.Health,
            metadata: EndpointMetadata = [:]
        ) {
            self.metadata = metadata
            self.address = address
            self.hostname = hostname
            self.proxy = proxy
            self.weight = weight
            self.health = health
        }
    }

    /// The endpoints of one locality at one priority.
    ///
    /// Each pair of locality and priority has one entry: Envoy would merge two entries and keep the weight of one.
    public struct LocalityEndpoints: Hashable, Sendable {
        /// The locality.
        public var locality: Locality
        /// The priority: 0 first, no gaps.
        public var priority: UInt32
        /// The sum of the weights of the endpoints that take traffic; nil if none does, because a weight of 0 is
        /// rejected.
        public var weight: UInt32?
        /// The endpoints, ordered by address.
        public var endpoints: [Endpoint]

        /// Creates an entry.
        public init(locality: Locality, priority: UInt32, weight: UInt32?, endpoints: [Endpoint]) {
            self.locality = locality
            self.priority = priority
            self.weight = weight
            self.endpoints = endpoints
        }
    }

    /// The metadata of every endpoint, by filter and key.
    public var metadata: EndpointMetadata
    /// The localities, ordered by priority and locality.
    public var localities: [LocalityEndpoints]
    /// The input of the computation, from which shares and reasons are derived.
    let members: [Member]
    /// The effects of overrides.
    let tuning: Tuning

    /// The assignment without endpoints.
    public static let vacant = Assignment(metadata: [:], localities: [], members: [], tuning: .none)

    /// The intended share of every cluster and pod, with the reason; computed on demand.
    ///
    /// Ordered by cluster name.
    public var shares: [ClusterShare] { members.shares() }

    /// Whether drains, or multipliers or shares of 0, don't apply, because no other pod is healthy.
    public var ignoresDrains: Bool { members.contains(where: \.keepsTraffic) }

    /// The clusters whose shares or drains a limit holds back, with the reason.
    public var limited: [(cluster: ClusterName, sentence: String)] {
        members.compactMap { member in member.limit.map { (member.cluster.name, $0) } }
    }

    /// The cluster and pod of each address; computed on demand.
    public var origins: [Endpoint.Address: Origin] {
        Dictionary(members.flatMap(\.origins).map { ($0.address, $0.origin) }, uniquingKeysWith: { first, _ in first })
    }

    /// Why clusters are not reached as configured.
    public var problems: [(cluster: ClusterName, problem: String)] {
        members.compactMap { member in member.shownProblem.map { (member.cluster.name, $0) } }
    }

    /// The cluster and pod that an endpoint stands for.
    public struct Origin: Hashable, Sendable {
        /// The cluster that the endpoint leads to; the first one if two clusters share a gateway.
        public var cluster: ClusterName
        /// The pod; nil if the endpoint stands for many pods.
        public var pod: String?
    }
}

/// The intended share of one cluster in a service's traffic, with the reason.
public struct ClusterShare: Hashable, Sendable {
    /// The intended share of one pod, over all gateways.
    public struct PodShare: Hashable, Sendable {
        /// The pod's name.
        public var name: String
        /// The share, 0 to 1.
        public var share: Double
        /// The health as its source reports it.
        public var health: Pod.Health
        /// The address that the pod listens on.
        public var address: SocketAddress
        /// The pod's own zone in its cluster's locality.
        public var locality: Locality
        /// The pod's own weight.
        public var ownWeight: Weight
        /// The own weight times the cluster's multiplier, on the scale of the service's priority; 0 if the pod takes no
        /// traffic.
        public var weight: UInt32
        /// Why the share differs from an equal part; nil if there is nothing to explain.
        public var note: String?
    }

    /// The name of the cluster.
    public var cluster: ClusterName
    /// The share, 0 to 1, while priority 0 is healthy.
    public var share: Double
    /// The sum of the cluster's endpoint weights as sent.
    public var weight: UInt64
    /// The cluster's multiplier, applied to its pods' own weights.
    public var multiplier: Ratio
    /// The number of endpoints that share the cluster's weight; nil if each pod is its own endpoint.
    public var split: Int?
    /// The priority; nil if no pod of the cluster takes traffic.
    public var priority: UInt32?
    /// One sentence that explains the share.
    public var reason: String
    /// Why the cluster is not reached as configured; nil if it is.
    public var problem: String?
    /// The pods, ordered by name.
    public var pods: [PodShare]
}
