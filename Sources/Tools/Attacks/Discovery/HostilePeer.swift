import EnvoyAPI
import Foundation
import GRPCTransport
import Logging
import Model
import XDS

/// A stand-in for the Ballast of the cluster `far`, over mutual TLS, that behaves well until `turnHostile`.
final class HostilePeer: Sendable {
    /// What it exports after `turnHostile`, by message number; nil after the last message.
    typealias Export = @Sendable (_ message: Int) -> [ExportedService]?

    let port: UInt16
    private let server: Server<PeerStream>
    private let isHostile: Shared<Bool>

    /// Starts listening.
    ///
    /// - Parameter certificates: the directory with the mesh's certificates.
    init(certificates: String, _ export: @escaping Export) async throws {
        let read = { (file: String) in try String(contentsOfFile: "\(certificates)/\(file)", encoding: .utf8) }
        let isHostile = Shared(false)
        self.isHostile = isHostile
        var logger = Logger(label: "peer")
        logger.logLevel = .error
        server = Server(configuration: ServerConfiguration(), logger: logger) { head in
            head.method == Method.deltaAggregatedResources.path ? PeerStream(isHostile, export) : nil
        }
        port = try await server.start(
            address: "127.0.0.1:0",
            security: .tls(
                KeyPair(certificateChain: read("peer.crt"), privateKey: read("peer.key")), clientCA: read("ca.crt")))
    }

    func turnHostile() async {
        isHostile.change { $0 = true }
        await server.forEach { _ in }
    }

    func stop() async { await server.shutdown(grace: .seconds(1)) }

    /// The valid export of the service `shop`.
    static let good = service("shop", addresses: ["10.66.0.1", "10.66.0.2"])

    static func service(
        _ name: String, cluster: String = "far", addresses: [String], weight: Int = 1, gateways: [String] = []
    ) -> ExportedService {
        let pods = addresses.enumerated().compactMap { index, address in
            SocketAddress("\(address):80").map {
                Pod(name: "\(name)-\(index)", address: $0, weight: Weight(weight) ?? .one)
            }
        }
        return ExportedService(
            name: ServiceName(rawValue: name), cluster: ClusterName(rawValue: cluster), pods: pods,
            gateways: gateways.compactMap { SocketAddress($0) })
    }
}
