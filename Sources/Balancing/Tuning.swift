public import Model

/// The effects of overrides on one service, for the clients of one cluster, at one moment.
///
/// The order of multipliers and drains doesn't matter. Shares are ordered: a later one counts over an earlier one.
public struct Tuning: Hashable, Sendable {
    /// Selects pods.
    public enum Target: Hashable, Sendable {
        /// All pods of a cluster.
        case cluster(ClusterName)
        /// The pods of a cluster in a zone: the pod's own zone, or else the cluster's.
        case zone(ClusterName, String)
        /// One pod, by its name in its cluster.
        case pod(ClusterName, String)
    }

    /// A factor for the weight of each selected pod.
    public struct Multiplier: Hashable, Sendable {
        /// The selected pods.
        public var target: Target
        /// The factor in millionths, at least 1.
        public var millionths: UInt64
        /// What sets it, such as `override k7m2`.
        public var origin: String

        /// Creates a multiplier.
        public init(target: Target, millionths: UInt64, origin: String = "an override") {
            self.target = target
            self.millionths = max(millionths, 1)
            self.origin = origin
        }
    }

    /// Pods or a gateway that get nothing new; their connections stay.
    public struct Drain: Hashable, Sendable {
        /// What is drained.
        public enum Subject: Hashable, Sendable {
            /// Pods.
            case pods(Target)
            /// One gateway of a cluster.
            case gateway(ClusterName, SocketAddress)
        }

        /// What is drained.
        public var subject: Subject
        /// What drains it, such as `override k7m2`.
        public var origin: String

        /// Creates a drain.
        public init(_ subject: Subject, origin: String = "an override") {
            self.subject = subject
            self.origin = origin
        }
    }

    /// A cluster, or the pods in one of its zones.
    public struct Part: Hashable, Sendable {
        /// The cluster.
        public var cluster: ClusterName
        /// The zone; nil for the whole cluster.
        public var zone: String?

        /// Creates a part.
        public init(_ cluster: ClusterName, zone: String? = nil) {
            self.cluster = cluster
            self.zone = zone
        }
    }

    /// The shares that some clusters or zones get, whatever their pods are.
    public struct Shares: Hashable, Sendable {
        /// The final share of each part in millionths of the traffic; their sum is at most 1,000,000.
        ///
        /// A cluster and one of its zones can't both have one.
        public var targets: [Part: UInt64]
        /// How far the shares have moved from those beneath to the final ones: a fraction between 0 and 1.
        public var level: Fraction
        /// What sets them, such as `override k7m2`.
        public var origin: String

        /// Creates shares.
        public init(targets: [Part: UInt64], level: Fraction = .whole, origin: String = "an override") {
            self.targets = targets
            self.level = level
            self.origin = origin
        }

        /// Creates the shares of whole clusters.
        public init(targets: [ClusterName: UInt64], level: Fraction = .whole, origin: String = "an override") {
            let parts = targets.map { (Part($0.key), $0.value) }
            self.init(targets: Dictionary(uniqueKeysWithValues: parts), level: level, origin: origin)
        }
    }

    /// A fraction between 0 and 1.
    public struct Fraction: Hashable, Comparable, Sendable {
        /// The numerator, at most the denominator.
        public let numerator: UInt64
        /// The denominator, at least 1.
        public let denominator: UInt64

        /// The fraction 0.
        public static let zero = Fraction(0, of: 1)
        /// The fraction 1.
        public static let whole = Fraction(1, of: 1)

        /// Creates a fraction; a numerator above the denominator becomes 1.
        public init(_ numerator: UInt64, of denominator: UInt64) {
            self.denominator = max(denominator, 1)
            self.numerator = min(numerator, self.denominator)
        }

        /// The fraction as a floating-point number.
        public var value: Double { Double(numerator) / Double(denominator) }

        /// Compares the values.
        public static func < (left: Fraction, right: Fraction) -> Bool { left.value < right.value }
    }

    /// The multipliers; they compose with each other and with the configured ones.
    public var multipliers: [Multiplier] = []
    /// The shares, from the lowest layer to the highest.
    public var shares: [Shares] = []
    /// What gets nothing new.
    public var drains: [Drain] = []
    /// Replaces the service's balance; nil to keep it.
    public var balance: Service.Balance?
    /// How many times its part by pod weights a cluster or zone may get by `shares`.
    public var ceiling = 3.0

    /// No effects.
    public static let none = Tuning()

    /// Creates a tuning without effects.
    public init() {}
}

extension Tuning {
    /// The largest product of multipliers of one pod, and the inverse of the smallest.
    static let maxFactor: UInt64 = 1_000_000

    /// Whether a target selects a pod.
    static func selects(_ target: Target, _ pod: Pod, of cluster: Cluster) -> Bool {
        switch target {
        case .cluster(let name): name == cluster.name
        case .zone(let name, let zone): name == cluster.name && (pod.zone ?? cluster.locality.zone) == zone
        case .pod(let name, let podName): name == cluster.name && podName == pod.name
        }
    }

    /// Whether a drain selects the pod.
    func drains(_ pod: Pod, of cluster: Cluster) -> Bool {
        !drains.isEmpty
            && drains.contains {
                guard case .pods(let target) = $0.subject else { return false }
                return Self.selects(target, pod, of: cluster)
            }
    }

    /// The cluster's gateways that are drained; none if that would leave it without a gateway.
    public func drainedGateways(of cluster: Cluster) -> Set<SocketAddress> {
        guard !drains.isEmpty else { return [] }
        let named = drains.compactMap { drain -> SocketAddress? in
            guard case .gateway(cluster.name, let address) = drain.subject else { return nil }
            return address
        }
        let drained = Set(named).intersection(cluster.gateways)
        return drained.count < Set(cluster.gateways).count ? drained : []
    }

    /// The product of the pod's multipliers, in millionths.
    func millionths(for pod: Pod, of cluster: Cluster) -> UInt64 {
        let unit: UInt64 = 1_000_000
        guard !multipliers.isEmpty else { return unit }
        var product = UInt128(unit)
        // The order is fixed, since each step is rounded.
        for factor in multipliers.filter({ Self.selects($0.target, pod, of: cluster) }).map(\.millionths).sorted() {
            product = (product * UInt128(factor) + UInt128(unit / 2)) / UInt128(unit)
            product = min(max(product, 1), UInt128(Self.maxFactor * unit))
        }
        return UInt64(product)
    }
}
