import EnvoyAPI
public import GRPCTransport
public import XDS

/// The parameters of a load.
public struct LoadPlan: Sendable {
    /// The server's IP address and port.
    public var server: String
    /// The transport security.
    public var security = ChannelSecurity.plaintext
    /// The number of clients.
    public var streams = 100
    /// The number of connections; streams are distributed over them in turn.
    public var connections = 100
    /// The EDS resource names.
    public var names: [String]
    /// How many names each stream subscribes to, starting with the name of its own number.
    public var namesPerStream = 1
    /// SotW or delta.
    public var variant = Variant.sotw
    /// Whether streams use ADS.
    public var isAggregated = false
    /// Whether clients request endpoints as LEDS collections; requires delta and ADS.
    public var usesLEDS = false
    /// Additional metadata of each node.
    public var metadata: [String: String] = [:]

    /// Creates a plan.
    public init(server: String, names: [String]) {
        self.server = server
        self.names = names
    }

    var method: Method {
        switch (variant, isAggregated) {
        case (.sotw, false): .of(.clusterLoadAssignment, .sotw)
        case (.delta, false): .of(.clusterLoadAssignment, .delta)
        case (.sotw, true): .streamAggregatedResources
        case (.delta, true): .deltaAggregatedResources
        }
    }

    /// The numbers of the services that a stream subscribes to.
    func services(of stream: Int) -> [Int] {
        (0..<min(namesPerStream, names.count)).map { (stream + $0) % names.count }
    }

    /// The number of streams that subscribe to each service.
    var subscribers: [Int] {
        var counts = Array(repeating: 0, count: names.count)
        for stream in 0..<streams { for service in services(of: stream) { counts[service] += 1 } }
        return counts
    }
}
