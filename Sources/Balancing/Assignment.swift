public import Model

/// Who gets how much of one service's traffic, for the clients of one cluster, and why.
public struct Assignment: Hashable, Sendable {
    /// One address as served.
    ///
    /// A gateway's stands for many pods.
    public struct Endpoint: Hashable, Sendable {
        /// Where the client connects to.
        ///
        /// No two endpoints of an assignment share it: Envoy would drop one silently, gRPC refuse all.
        public var address: Address
        /// The pod's own SNI, where it is told by that.
        public var hostname: String?
        /// The HTTP CONNECT proxy to go through.
        public var proxy: SocketAddress?
        /// At least 1.
        public var weight: UInt32
        /// Only healthy endpoints count in their locality's weight.
        public var health: Pod.Health

        /// Where an endpoint is.
        public enum Address: Hashable, Comparable, Sendable, CustomStringConvertible {
            /// On the network.
            case socket(SocketAddress)
            /// Behind a listener inside the client; endpoints of one listener differ in `id`.
            case listener(String, id: String)

            /// For people: `10.0.0.1:8443`, or `west_gateway/w1`.
            public var description: String {
                switch self {
                case .socket(let address): address.description
                case .listener(let name, let id): "\(name)/\(id)"
                }
            }
        }

        /// An endpoint.
        public init(
            address: Address, hostname: String? = nil, proxy: SocketAddress? = nil, weight: UInt32, health: Pod.Health
        ) {
            self.address = address
            self.hostname = hostname
            self.proxy = proxy
            self.weight = weight
            self.health = health
        }
    }

    /// The endpoints of one locality at one priority.
    ///
    /// There is one entry for each pair: Envoy would merge two and keep one's weight.
    public struct LocalityEndpoints: Hashable, Sendable {
        /// Where they are.
        public var locality: Locality
        /// 0 first, no gaps.
        public var priority: UInt32
        /// The sum of the weights of the endpoints that take traffic; nil where none does, since a weight of 0 is
        /// refused.
        public var weight: UInt32?
        /// In the order of their addresses.
        public var endpoints: [Endpoint]

        /// An entry.
        public init(locality: Locality, priority: UInt32, weight: UInt32?, endpoints: [Endpoint]) {
            self.locality = locality
            self.priority = priority
            self.weight = weight
            self.endpoints = endpoints
        }
    }

    /// What every endpoint says about itself, by filter and key.
    public var metadata: [String: [String: String]]
    /// By priority and locality.
    public var localities: [LocalityEndpoints]
    /// What it was worked out from.
    let members: [Member]

    /// Nobody gets anything.
    public static let vacant = Assignment(metadata: [:], localities: [], members: [])

    /// The intended share of every cluster and pod, with the reason; worked out for whoever looks.
    ///
    /// In the order of the clusters' names.
    public var shares: [ClusterShare] { members.shares() }

    /// Whose endpoint each address is; worked out for whoever looks.
    public var origins: [Endpoint.Address: Origin] {
        Dictionary(members.flatMap(\.origins).map { ($0.address, $0.origin) }, uniquingKeysWith: { first, _ in first })
    }

    /// Why clusters are not reached as they are configured to be.
    public var problems: [(cluster: ClusterName, problem: String)] {
        members.compactMap { member in member.shownProblem.map { (member.cluster.name, $0) } }
    }

    /// What an endpoint stands for.
    public struct Origin: Hashable, Sendable {
        /// The cluster that the endpoint leads to; of two that share a gateway, the first.
        public var cluster: ClusterName
        /// The pod; nil where the endpoint leads to many.
        public var pod: String?
    }
}

/// What one cluster shall get of a service's traffic, and why.
public struct ClusterShare: Hashable, Sendable {
    /// What one pod shall get, all gateways taken together.
    public struct PodShare: Hashable, Sendable {
        /// The pod's name.
        public var name: String
        /// 0 to 1.
        public var share: Double
        /// As its source says.
        public var health: Pod.Health
        /// Where it listens.
        public var address: SocketAddress
        /// Where it runs: its own zone, in its cluster's locality.
        public var locality: Locality
        /// Its own weight.
        public var ownWeight: Weight
        /// That, times its cluster's multiplier, on the scale of the service's priority; 0 for one that takes no traffic.
        public var weight: UInt32
        /// Why it gets something other than an equal part; nil where there is nothing to say.
        public var note: String?
    }

    /// Which cluster.
    public var cluster: ClusterName
    /// 0 to 1, while priority 0 is well.
    public var share: Double
    /// The sum of its endpoints' weights as sent.
    public var weight: UInt64
    /// What each of its pods counts, times the pod's own weight.
    public var multiplier: Ratio
    /// How many endpoints that all lead to any of its pods the weight is split over; nil where each pod is one.
    public var split: Int?
    /// Nil where the cluster has no endpoint to serve.
    public var priority: UInt32?
    /// One sentence on how the share came about.
    public var reason: String
    /// Why it is not reached as it is configured to be; nil while it is.
    public var problem: String?
    /// In the order of their names.
    public var pods: [PodShare]
}
