import EnvoyAPI
import GRPCTransport
import Logging
import MeshConfiguration
import Synchronization
import XDS

/// The xDS server: serves the current snapshot to everyone who asks.
final class DiscoveryService: Sendable {
    /// What a new stream starts with.
    private final class Current: Sendable {
        let snapshot = Mutex<Snapshot?>(nil)
    }

    private let current: Current
    private let server: Server<DiscoveryHandler>

    init(limits: Configuration.Limits, controlPlane: String, logger: Logger) {
        var configuration = ServerConfiguration()
        configuration.limits.messageBytes = limits.messageBytes
        configuration.limits.streamsPerConnection = limits.streamsPerConnection
        configuration.limits.streams = limits.streams
        configuration.limits.connections = limits.connections
        CoreLog.forward(to: logger)
        let current = Current()
        self.current = current
        server = Server(configuration: configuration, logger: logger) { head in
            guard let method = Method.at(head.method) else { return nil }
            return DiscoveryHandler(
                head, method, limits: DiscoveryStream.Limits(names: limits.namesPerStream),
                snapshot: current.snapshot.withLock { $0 }, controlPlane: controlPlane, logger: logger
            )
        }
    }

    /// The snapshot in force; nil before the first.
    var snapshot: Snapshot? { current.snapshot.withLock { $0 } }

    /// Listens, and serves until `shutdown`.
    ///
    /// - Returns: the port.
    func start(_ settings: Configuration.XDSServer) async throws -> UInt16 {
        let security = try settings.tls.map(ServerSecurity.init(readingFrom:)) ?? .plaintext
        return try await server.start(address: "\(settings.listen)", security: security)
    }

    /// Puts a snapshot in force.
    ///
    /// Publications come one after the other.
    func publish(_ snapshot: Snapshot) async -> Publication {
        let last = current.snapshot.withLock { current in
            defer { current = snapshot }
            return current
        }
        let publication = Publication(snapshot, since: last)
        await server.forEach { $0.publish(publication) }
        return publication
    }

    var clients: [ClientStatus] {
        get async {
            await server.collect { $0.status }
                .sorted { ($0.node, $0.peer, $0.method) < ($1.node, $1.peer, $1.method) }
        }
    }

    func shutdown(grace: Duration) async { await server.shutdown(grace: grace) }
}

extension ServerSecurity {
    /// Reads the PEM files.
    fileprivate init(readingFrom files: Configuration.TLSFiles) throws(ConfigurationError) {
        let pair = KeyPair(
            certificateChain: try TextFile.read(files.certificate), privateKey: try TextFile.read(files.key)
        )
        var clientCA: String?
        if let path = files.clientCA { clientCA = try TextFile.read(path) }
        self = .tls(pair, clientCA: clientCA)
    }
}
