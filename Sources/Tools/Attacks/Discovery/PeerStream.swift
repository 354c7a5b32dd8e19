import EnvoyAPI
import GRPCTransport
import XDS

/// One importer's stream.
final class PeerStream: StreamHandler {
    private let isHostile: Shared<Bool>
    private let export: HostilePeer.Export
    private var isAsked = false
    private var isProbed = false
    private var lastNonce = 0
    /// The number of the next message; nil after the last one.
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

    /// The name that importers subscribe to in order to learn that they have received everything.
    private static let probe = "ballast:probe"

    private func response(_ services: [ExportedService], removed: [String]) -> [Slice] {
        lastNonce += 1
        var bytes: [UInt8] = []
        for service in services {
            let resource = EncodedResource(service)
            bytes += resource.deltaHeader + resource.any
        }
        // A DeltaDiscoveryResponse's other fields, by their numbers in discovery.proto.
        bytes += WireWriter.message { writer in
            writer.string(4, TypeURL.exportedService.rawValue)
            writer.string(5, "\(lastNonce)")
            for name in removed { writer.string(6, name) }
        }
        return [Slice(bytes)]
    }
}
