/// Who gets how much of one service's traffic, for the clients of one cluster, and why.
public struct Assignment: Hashable, Sendable {
    /// One address as served.
    ///
    /// A gateway's stands for many pods.
    public struct Endpoint: Hashable, Sendable {
        /// Where the client connects to.
        ///
        /// No two endpoints of an assignment share it: Envoy would drop one silently, gRPC refuse all.
        public var address: SocketAddress
        /// At least 1.
        public var weight: UInt32
        /// Only healthy endpoints count in their locality's weight.
        public var health: Pod.Health

        /// An endpoint.
        public init(address: SocketAddress, weight: UInt32, health: Pod.Health) {
            self.address = address
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

    /// By priority and locality.
    public var localities: [LocalityEndpoints]
    /// The intended share of every cluster and pod, with the reason.
    ///
    /// In the order of the clusters' names.
    public var shares: [ClusterShare]
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
        /// Why it gets something other than an equal part; nil where there is nothing to say.
        public var note: String?
    }

    /// Which cluster.
    public var cluster: ClusterName
    /// 0 to 1, while priority 0 is well.
    public var share: Double
    /// The sum of its endpoints' weights as sent.
    public var weight: UInt64
    /// Nil where the cluster has no endpoint to serve.
    public var priority: UInt32?
    /// One sentence on how the share came about.
    public var reason: String
    /// In the order of their names.
    public var pods: [PodShare]
}
