public import Model

/// Another Ballast.
public struct BallastPeer: Hashable, Sendable {
    /// The cluster that this Ballast serves, as the other is told.
    public var importer: ClusterName
    /// What the other calls its cluster; all that it exports has to be of it.
    public var cluster: ClusterName
    /// The services that it may bring; nil for any.
    public var services: Set<ServiceName>?
    /// Addresses that it may bring though they are hardly another cluster's pods'.
    public var addresses: Set<UnusualAddress>
    /// A host name or an IP address, and a port.
    public var address: String
    /// What this Ballast shows, and what it demands; paths of PEM files.
    public var tls: PeerTLS

    /// Another Ballast at that address.
    public init(
        importer: ClusterName, cluster: ClusterName, services: Set<ServiceName>? = nil, addresses: Set<UnusualAddress>,
        address: String, tls: PeerTLS
    ) {
        self.importer = importer
        self.cluster = cluster
        self.services = services
        self.addresses = addresses
        self.address = address
        self.tls = tls
    }
}

/// Addresses that mean something else on each machine.
public enum UnusualAddress: String, Hashable, Sendable, CaseIterable {
    /// 127.0.0.0/8 and ::1.
    case loopback
    /// 169.254.0.0/16, where clouds have their metadata, and fe80::/10.
    case linkLocal
}

/// Mutual TLS with another Ballast.
public struct PeerTLS: Hashable, Sendable {
    /// What this Ballast shows.
    public var certificate: String
    /// Its private key.
    public var key: String
    /// The authorities that vouch for the other.
    public var ca: String
    /// The name that the other's certificate has to carry.
    public var serverName: String

    /// Mutual TLS with these files.
    public init(certificate: String, key: String, ca: String, serverName: String) {
        self.certificate = certificate
        self.key = key
        self.ca = ca
        self.serverName = serverName
    }
}

/// Which services another Ballast may import.
public struct Export: Hashable, Sendable {
    /// Its name here, for people.
    public var peer: String
    /// The names that its certificate may carry.
    public var identity: IdentityPattern
    /// Which services; nil for all.
    public var services: Set<ServiceName>?

    /// An export to a peer.
    public init(peer: String, identity: IdentityPattern, services: Set<ServiceName>? = nil) {
        self.peer = peer
        self.identity = identity
        self.services = services
    }

    /// Whether a service is exported.
    public func includes(_ service: ServiceName) -> Bool { services?.contains(service) != false }
}
