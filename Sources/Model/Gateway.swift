/// The address of an east-west gateway, as configured or discovered.
public enum Gateway: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// An IP address and port.
    case address(SocketAddress)
    /// A DNS name to resolve, and a port.
    case name(String, port: UInt16)

    /// Parses `10.0.0.1:15443`, `[::1]:15443` or `gateway.example:15443`; nil if the text is none of these.
    public init?(_ text: String) {
        if let address = SocketAddress(text) {
            guard address.port > 0, address.host.isUnicast else { return nil }
            self = .address(address)
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), port > 0, let name = DNSName(String(parts[0])),
            // Text that looks like an IP address but isn't one is a typing error.
            !parts[0].utf8.allSatisfy({
                $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            })
        else { return nil }
        self = .name(name.description, port: port)
    }

    /// Whether the gateway is given by this DNS name.
    public func isNamed(_ name: String) -> Bool {
        if case .name(name, _) = self { true } else { false }
    }

    /// The gateway as written in the configuration.
    public var description: String {
        switch self {
        case .address(let address): address.description
        case .name(let name, let port): "\(name):\(port)"
        }
    }
}
