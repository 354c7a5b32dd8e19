import EnvoyAPI
public import GRPCTransport
public import XDS

/// What a load is made of.
public struct LoadPlan: Sendable {
    /// The server: an IP address and a port.
    public var server: String
    /// How it is connected to.
    public var security = ChannelSecurity.plaintext
    /// Clients.
    public var streams = 100
    /// Connections; streams take turns on them.
    public var connections = 100
    /// The EDS names that there are.
    public var names: [String]
    /// How many of them each stream subscribes to: the one of its own number, and those after it.
    public var namesPerStream = 1
    /// SotW or delta.
    public var variant = Variant.sotw
    /// Whether streams are aggregated ones (ADS).
    public var isAggregated = false
    /// Whether clients say that they take endpoints as collections (LEDS): delta and aggregated only.
    public var usesLEDS = false
    /// What each node's metadata says, besides.
    public var metadata: [String: String] = [:]

    /// A plan.
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

    /// The services that a stream subscribes to, by their numbers.
    func services(of stream: Int) -> [Int] {
        (0..<min(namesPerStream, names.count)).map { (stream + $0) % names.count }
    }

    /// How many streams subscribe to each service.
    var subscribers: [Int] {
        var counts = Array(repeating: 0, count: names.count)
        for stream in 0..<streams { for service in services(of: stream) { counts[service] += 1 } }
        return counts
    }
}
