public import Model

/// Another Ballast, from which services are imported.
public struct BallastPeer: Hashable, Sendable {
    /// The cluster that this Ballast serves; its name is sent to the peer.
    public var importer: ClusterName
    /// The peer's name for its own cluster; all that it exports must belong to it.
    public var cluster: ClusterName
    /// The services that may be imported from it; nil for all.
    public var services: Set<ServiceName>?
    /// Kinds of unusual addresses that it may nevertheless report.
    public var addresses: Set<UnusualAddress>
    /// The peer's host name or IP address, and port.
    public var address: String
    /// The TLS files and the expected server name.
    public var tls: PeerTLS

    /// Creates a peer.
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
    /// 169.254.0.0/16, where clouds serve instance metadata, and fe80::/10.
    case linkLocal
}

/// Mutual TLS with another Ballast; the files are PEM.
public struct PeerTLS: Hashable, Sendable {
    /// Path of this Ballast's certificate chain.
    public var certificate: String
    /// Path of this Ballast's private key.
    public var key: String
    /// Path of the certificate authorities that sign the peer's certificate.
    public var ca: String
    /// The name that the peer's certificate must carry.
    public var serverName: String

    /// Creates TLS settings.
    public init(certificate: String, key: String, ca: String, serverName: String) {
        self.certificate = certificate
        self.key = key
        self.ca = ca
        self.serverName = serverName
    }
}

/// Which services another Ballast may import.
public struct Export: Hashable, Sendable {
    /// The peer's name in the configuration.
    public var peer: String
    /// The names that the peer's certificate may carry.
    public var identity: IdentityPattern
    /// The exported services; nil for all.
    public var services: Set<ServiceName>?

    /// Creates an export.
    public init(peer: String, identity: IdentityPattern, services: Set<ServiceName>? = nil) {
        self.peer = peer
        self.identity = identity
        self.services = services
    }

    /// Whether a service is exported.
    public func includes(_ service: ServiceName) -> Bool { services?.contains(service) != false }
}
