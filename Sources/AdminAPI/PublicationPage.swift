/// The answer of `/v1/publication`: what is published to gateways that only istiod configures.
public struct PublicationPage: Codable, Hashable, Sendable {
    /// A place for a pod, with an SNI of its own.
    public struct Slot: Codable, Hashable, Sendable {
        /// The service.
        public var service: String
        /// The slot's name within the service.
        public var slot: String
        /// The SNI that leads to it.
        public var sni: String
        /// The endpoint of its ServiceEntry; nil if it has none.
        public var address: String?
        /// The pod at the endpoint; nil if there is none.
        public var pod: String?
        /// `free`, `keeping`, `probing`, `announced` or `withdrawing`.
        public var phase: String
        /// What the gateways said last, if they don't lead to the pod.
        public var reason: String?

        /// Creates a slot.
        public init(
            service: String, slot: String, sni: String, address: String?, pod: String?, phase: String, reason: String?
        ) {
            self.service = service
            self.slot = slot
            self.sni = sni
            self.address = address
            self.pod = pod
            self.phase = phase
            self.reason = reason
        }
    }

    /// Whether other clusters are told what the gateways lead to; false for some seconds after a start.
    public var known: Bool
    /// The replica that writes ServiceEntries; nil if none is known.
    public var writer: String?
    /// Whether that is the replica that answers.
    public var isWriter: Bool
    /// Whether the gateways are asked by CONNECT requests, with the server's certificate; `sni` is then the pod's host.
    public var tunnels: Bool
    /// The gateways that are asked for each SNI.
    public var gateways: [String]
    /// The slots, ordered by service and number.
    public var slots: [Slot]
    /// What is wrong, one sentence each.
    public var problems: [String]

    /// Creates a page.
    public init(
        known: Bool, writer: String?, isWriter: Bool, tunnels: Bool, gateways: [String], slots: [Slot],
        problems: [String]
    ) {
        self.known = known
        self.writer = writer
        self.isWriter = isWriter
        self.tunnels = tunnels
        self.gateways = gateways
        self.slots = slots
        self.problems = problems
    }
}
