public import Model

/// The pods of this cluster that gateways configured by Istio lead to, each by an SNI.
public struct PublishedPods: Hashable, Sendable {
    /// For each published service, the SNI of each pod that gateways lead to.
    public var services: [ServiceName: [SocketAddress: DNSName]]
    /// The gateways of this cluster that lead to all these pods; nil if nothing is known of them.
    public var gateways: Set<SocketAddress>?
    /// Whether `services` is what the gateways know.
    ///
    /// If false, other clusters' clients and Ballasts wait, so that they don't lose pods while a server starts.
    public var isKnown: Bool

    /// Nothing is published.
    public static let none = PublishedPods(services: [:], isKnown: true)

    /// Creates a set of pods.
    public init(services: [ServiceName: [SocketAddress: DNSName]], isKnown: Bool) {
        self.services = services
        self.isKnown = isKnown
    }

    /// The pods of a published service that gateways lead to, with their SNIs.
    func reachable(_ pods: [Pod], of service: ServiceName) -> [Pod] {
        let names = services[service] ?? [:]
        return pods.compactMap { pod in
            guard let name = names[pod.address] else { return nil }
            var pod = pod
            pod.sni = name
            return pod
        }
    }

    /// The services whose pods differ.
    func differences(from last: PublishedPods) -> Set<ServiceName> {
        guard self != last else { return [] }
        return Set(services.keys).union(last.services.keys).filter { services[$0] != last.services[$0] }
    }
}

/// Makes the pods of this cluster reachable one by one through gateways.
public protocol PodPublisher: Sendable {
    /// Runs until the task is cancelled.
    ///
    /// - Parameters:
    ///   - wanted: what has to be published; the last value counts.
    ///   - report: called with the state whenever it changes.
    func run(
        _ wanted: AsyncStream<WantedPods>, report: @escaping @Sendable (PublicationState) -> Void) async
}

/// What a publisher has to publish.
public struct WantedPods: Hashable, Sendable {
    /// The pods of the published services.
    public var pods: [ServiceName: [Pod]]
    /// Whether they are those of a source that has delivered since this program started.
    public var isSynced: Bool
    /// The gateways that must lead to them.
    public var gateways: [SocketAddress]

    /// Creates a value.
    public init(pods: [ServiceName: [Pod]], isSynced: Bool, gateways: [SocketAddress]) {
        self.pods = pods
        self.isSynced = isSynced
        self.gateways = gateways
    }
}

/// The state of a publication.
public struct PublicationState: Hashable, Sendable {
    /// A place for a pod, with an SNI of its own.
    public struct Slot: Hashable, Sendable {
        /// Where a slot stands.
        public enum Phase: String, Hashable, Sendable, CaseIterable, Codable {
            /// It may get a pod.
            case free
            /// It had a pod, and gets no other yet.
            case keeping
            /// It has a pod that the gateways don't lead to yet.
            case probing
            /// It has a pod, and the gateways lead to it.
            case announced
            /// Its pod is gone.
            case withdrawing
        }

        /// The service.
        public var service: ServiceName
        /// The slot's name within the service.
        public var name: String
        /// The SNI.
        public var sni: DNSName
        /// The endpoint of its object; nil if it has none.
        public var endpoint: SocketAddress?
        /// The pod at the endpoint; nil if there is none.
        public var pod: String?
        /// Where it stands.
        public var phase: Phase
        /// What the gateways last said, if they don't lead to the pod.
        public var reason: String?

        /// Creates a slot.
        public init(
            service: ServiceName, name: String, sni: DNSName, endpoint: SocketAddress? = nil, pod: String? = nil,
            phase: Phase, reason: String? = nil
        ) {
            self.service = service
            self.name = name
            self.sni = sni
            self.endpoint = endpoint
            self.pod = pod
            self.phase = phase
            self.reason = reason
        }
    }

    /// The pods that the gateways lead to.
    public var published = PublishedPods.none
    /// All slots, ordered by service and number.
    public var slots: [Slot] = []
    /// What is wrong, one sentence each.
    public var problems: Set<String> = []
    /// The replica that writes; nil if none is known.
    public var writer: String?
    /// Whether that is this process.
    public var isWriter = false
    /// Whether they are asked by CONNECT requests.
    public var usesTunnels = false
    /// The gateways that are asked.
    public var gateways: [SocketAddress] = []

    /// Creates an empty state.
    public init() {}
}
