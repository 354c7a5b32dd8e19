import Balancing
import EnvoyAPI
import Foundation
import GRPCTransport
import Logging
import XDS

/// A stand-in for the Ballast of the cluster `far`, over mutual TLS, which exports well until it is told to turn hostile.
final class HostilePeer: Sendable {
    /// What it exports then, message by message; nil where there is no more.
    typealias Export = @Sendable (_ message: Int) -> [ExportedService]?

    let port: UInt16
    private let server: Server<PeerStream>
    private let isHostile: Shared<Bool>

    /// Listens.
    ///
    /// - Parameter certificates: the directory of a mesh's certificates.
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

    /// The service `shop` as it should be.
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

/// One importer's stream.
final class PeerStream: StreamHandler {
    private let isHostile: Shared<Bool>
    private let export: HostilePeer.Export
    private var isAsked = false
    private var isProbed = false
    private var lastNonce = 0
    /// Nil after the last one.
    private var nextExport: Int? = 0

    init(_ isHostile: Shared<Bool>, _ export: @escaping HostilePeer.Export) {
        self.isHostile = isHostile
        self.export = export
    }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        let text = String(decoding: [UInt8](copying: message), as: UTF8.self)
        guard text.contains(Self.probe) else { return }
        isProbed = true
    }

    func nextMessage() -> [Slice]? {
        if isProbed, !isAsked {
            (isAsked, isProbed) = (true, false)
            return response([HostilePeer.good], removed: [Self.probe])
        }
        if isHostile.value, isAsked, let number = nextExport {
            let services = export(number)
            nextExport = services == nil ? nil : number + 1
            if let services {
                defer { isProbed = false }
                return response(services, removed: isProbed ? [Self.probe] : [])
            }
        }
        guard isProbed else { return nil }
        isProbed = false
        return response([], removed: [Self.probe])
    }

    func closed(_ status: GRPCStatus) {}

    /// What importers ask for to learn that they have all.
    private static let probe = "ballast:probe"

    private func response(_ services: [ExportedService], removed: [String]) -> [Slice] {
        lastNonce += 1
        var bytes: [UInt8] = []
        for service in services {
            let resource = EncodedResource(service)
            bytes += resource.deltaHeader + resource.any
        }
        // A DeltaDiscoveryResponse's other fields, by their numbers in discovery.proto.
        bytes += ProtobufWriter.message { writer in
            writer.field(4, TypeURL.exportedService.rawValue)
            writer.field(5, "\(lastNonce)")
            for name in removed { writer.field(6, name) }
        }
        return [Slice(bytes)]
    }
}
