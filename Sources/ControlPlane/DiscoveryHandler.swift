import Balancing
import EnvoyAPI
import GRPCTransport
import Logging
import XDS

/// One xDS stream: requests in, responses out of the current snapshot.
final class DiscoveryHandler: StreamHandler {
    private let head: StreamHead
    private let controlPlane: String
    private let logger: Logger
    private var stream: DiscoveryStream
    private var node: Node?
    /// Nil until the sources have synced: nobody is answered before.
    private var snapshot: Snapshot?
    /// Whose view is served; nil until both the node and a snapshot are known.
    private var viewer: Viewer?

    init(
        _ head: StreamHead, _ method: Method, limits: DiscoveryStream.Limits, snapshot: Snapshot?, controlPlane: String,
        logger: Logger
    ) {
        self.head = head
        self.snapshot = snapshot
        self.controlPlane = controlPlane
        self.logger = logger
        stream = DiscoveryStream(variant: method.variant, type: method.type, limits: limits)
    }

    func receive(_ message: [UInt8]) throws(GRPCStatus) {
        let decoded: DecodedRequest
        do throws(DecodingFailure) {
            decoded = try DecodedRequest(message, stream.variant)
        } catch {
            logger.warning("request refused", metadata: metadata(["reason": "\(error)"]))
            throw GRPCStatus(.invalidArgument, "\(error)")
        }
        // Only a stream's first request is sure to have the node.
        if node == nil { welcome(decoded.node ?? Node()) }
        if let reason = decoded.request.rejection {
            logger.warning("NACK", metadata: metadata(["type": "\(decoded.type)", "reason": "\(reason)"]))
        }
        do throws(ProtocolViolation) {
            try stream.receive(decoded.request, type: decoded.type, canResume: node?.isGRPC == false)
        } catch {
            let status = GRPCStatus(error)
            logger.warning("stream ended", metadata: metadata(["reason": "\(status.message)"]))
            throw status
        }
    }

    func nextMessage() -> [Slice]? {
        guard let snapshot, let viewer else { return nil }
        guard let (type, response) = stream.next(in: { snapshot.index($0, for: viewer) }) else { return nil }
        let index = snapshot.index(type, for: viewer)
        var slices = response.resources.flatMap { index.resources[$0.name]?.slices(stream.variant) ?? [] }
        slices.append(Slice(response.encodedTrailer(type: type, controlPlane: controlPlane)))
        return slices
    }

    func closed(_ status: GRPCStatus) { logger.debug("stream closed", metadata: metadata(["status": "\(status)"])) }

    /// Takes a newer snapshot.
    ///
    /// What it changes for this stream is sent when the stream can take it.
    func publish(_ publication: Publication) {
        snapshot = publication.snapshot
        guard let node else { return }
        let last = viewer
        let viewer = Viewer(node, in: publication.snapshot)
        self.viewer = viewer
        if last == viewer {
            for (type, names) in publication.changes[viewer] ?? [:] { stream.publish(type, names) }
        } else {
            stream.publishAll()
            noteReduction()
        }
    }

    /// For whoever wants to look at it.
    var status: ClientStatus {
        ClientStatus(
            node: node?.id ?? "", nodeCluster: node?.cluster ?? "", userAgent: node?.userAgent ?? "", peer: head.peer,
            method: head.method, viewer: viewer, reduced: reduced,
            subscriptions: stream.status
        )
    }

    private func welcome(_ node: Node) {
        self.node = node
        viewer = snapshot.map { Viewer(node, in: $0) }
        logger.debug(
            "client connected", metadata: metadata(["method": "\(head.method)", "agent": "\(node.userAgent)"]))
        if let claimed = node.metadata["cluster"], let viewer, viewer.cluster.rawValue != claimed {
            logger.warning(
                "the node's metadata names a cluster that the configuration doesn't have",
                metadata: metadata(["cluster": "\(claimed)", "served as": "\(viewer.cluster)"])
            )
        }
        noteReduction()
    }

    private var reduced: [ClusterName] { viewer.flatMap { snapshot?.views[$0]?.reduced } ?? [] }

    private func noteReduction() {
        guard !reduced.isEmpty else { return }
        logger.info(
            "client gets gateway addresses only",
            metadata: metadata([
                "clusters": "\(reduced.map(\.rawValue).joined(separator: ","))",
                "reason": "\(node?.isGRPC == true ? "gRPC" : "its node metadata doesn't say lanes: true")",
            ])
        )
    }

    private func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
        more.merging(["node": "\(node?.id ?? "")", "peer": "\(head.peer)"]) { given, _ in given }
    }
}

extension DiscoveryRequest {
    fileprivate var rejection: String? {
        switch self {
        case .sotw(let request): request.rejection
        case .delta(let request): request.rejection
        }
    }
}

extension DiscoveryResponse {
    fileprivate var resources: [VersionedName] {
        switch self {
        case .sotw(let response): response.resources
        case .delta(let response): response.resources
        }
    }
}

extension GRPCStatus {
    fileprivate init(_ violation: ProtocolViolation) {
        switch violation {
        case .wrongType(let type):
            self.init(.invalidArgument, type.isEmpty ? "the request has no type_url" : "this stream is not for \(type)")
        case .tooManyNames(let limit):
            self.init(.resourceExhausted, "a stream may subscribe to \(limit) names (xds.limits.namesPerStream)")
        case .tooManyTypes(let limit):
            self.init(.resourceExhausted, "a stream may subscribe to \(limit) types")
        }
    }
}
