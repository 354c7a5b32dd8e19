/// A member of the federation, and how others reach its pods.
public struct Cluster: Hashable, Sendable {
    /// Its name, such as `east`.
    public var name: ClusterName
    /// Clusters of one network reach each other's pods directly.
    ///
    /// Each cluster is a network of its own unless it says otherwise.
    public var network: String
    /// The locality of its endpoints; a pod's own zone goes before this one's.
    public var locality: Locality
    /// Its east-west gateways.
    ///
    /// Where there is none, its pods are directly reachable from everywhere.
    public var gateways: [Gateway]
    /// How its pods appear to other networks' clients.
    public var reach: Reach

    /// A cluster.
    public init(
        name: ClusterName, network: String? = nil, locality: Locality = Locality(), gateways: [Gateway] = [],
        reach: Reach = .gateway(refresh: false)
    ) {
        self.name = name
        self.network = network ?? name.rawValue
        self.locality = locality
        self.gateways = gateways
        self.reach = reach
    }

    /// The internal listener, and the Envoy cluster behind it, that lead a client to this cluster's gateways.
    public var gatewayListener: String { "\(name)_gateway" }

    /// Whether clients of a network connect to its pods themselves.
    public func isDirect(from network: String) -> Bool { self.network == network || gateways.isEmpty }
}

/// Where an east-west gateway takes connections.
public enum Gateway: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// At an IP address.
    case address(SocketAddress)
    /// At whatever a DNS name resolves to, which only clients with a gateway cluster of their own can use: EDS takes no
    /// names.
    case name(String, port: UInt16)

    /// Reads `10.0.0.1:15443`, `[::1]:15443` or `gateway.example:15443`; nil where the text is none of them.
    public init?(_ text: String) {
        if let address = SocketAddress(text) {
            guard address.port > 0 else { return nil }
            self = .address(address)
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), port > 0, let name = DNSName(String(parts[0])),
            // What looks like an address, and isn't one, is a typing error.
            !parts[0].utf8.allSatisfy({
                $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            })
        else { return nil }
        self = .name(name.description, port: port)
    }

    /// Its address, if it is known without asking DNS.
    public var address: SocketAddress? {
        switch self {
        case .address(let address): address
        case .name: nil
        }
    }

    /// Whether it is at that DNS name.
    public func isNamed(_ name: String) -> Bool {
        if case .name(name, _) = self { true } else { false }
    }

    /// As the configuration writes it.
    public var description: String {
        switch self {
        case .address(let address): address.description
        case .name(let name, let port): "\(name):\(port)"
        }
    }
}
